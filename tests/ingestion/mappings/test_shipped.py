"""The mappings that come with the package, on example files made after the documentation of each system.

docs/exports.md has the sources. One agency loads all examples at once, so a mapping that takes the file of another
system is seen.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.ingestion.mappings.files import load_mappings, read_mappings
from amkpi.ingestion.validation.row_checks import check_rows
from tests.conftest import Agency
from tests.ingestion.test_shapes import BASE
from tests.paths import ROOT

EXAMPLES = ROOT / "tests" / "fixtures" / "exports"
PAGE = ROOT / "docs" / "exports.md"
# On real files, in test_real_exports.py.
TESTED_ELSEWHERE = {"nyc_clients", "nyc_project_costs", "nyc_projects", "nyc_staff", "salesforce_opportunities"}
SHIPPED = load_mappings(SHIPPED_MAPPINGS, None, ZoneInfo("Asia/Ho_Chi_Minh"))

PROPOSAL = "proposal_id, client_id, owner_id, kind, amount, currency, sent_date, outcome, decided_date"
PROJECT = "project_id, client_id, owner_id, project_name, start_date, committed_due_date, delivered_date"
SURVEY = "client_id, sent_date, responded_date, score, comment"
REVIEW = "account_manager_id, reviewer_id, reviewer_department, review_date, teamwork_score, project_management_score"


@dataclass(frozen=True)
class Example:
    """What comes of the examples of a mapping: values of the valid rows; line, reason and column of rows held back.

    skipped: the rows in the footer, and those that `where` dropped.
    """

    mapping: str
    columns: str
    rows: list[str]
    held: list[str] = field(default_factory=list)
    skipped: tuple[int, int] = (0, 0)


def deals(first: str, kind_of_second: str, ids: list[str], clients: tuple[str, str]) -> list[str]:
    """The three deals that each CRM has in its example: won, lost, open."""
    return [
        f"{ids[0]} {clients[0]} NV002 new_business 450000000.0 VND 2024-03-01 won 2024-03-31",
        f"{ids[1]} {clients[1]} NV001 {kind_of_second} 15000.5 USD 2024-03-05 {first} 2024-03-20",
        f"{ids[2]} {clients[0]} NV002 renewal 120000000.0 VND 2024-03-11 open -",
    ]


AGENCY_CLIENTS = ("KH001", "KH002")
EXAMPLES_OF_MAPPINGS = [
    Example("hubspot_companies", "client_id, client_name", ["501 Sữa Bình Minh", "502 Xi Măng Đông Á"]),
    Example(
        "hubspot_deals",
        PROPOSAL,
        deals("lost", "cross_sell", ["9001", "9002", "9003"], ("501", "502")),
        # A type and a stage that HubSpot does not define, and a deal of two companies.
        ["5 bad_enum kind", "6 bad_enum outcome", "7 unknown_reference client_id"],
    ),
    Example(
        "pipedrive_deals",
        PROPOSAL,
        deals("lost", "upsell", ["31", "32", "33"], AGENCY_CLIENTS),
        ["5 bad_enum kind", "6 unknown_reference client_id"],
    ),
    Example(
        "zoho_deals",
        PROPOSAL,
        deals("lost", "upsell", ["zcrm_7001", "zcrm_7002", "zcrm_7003"], AGENCY_CLIENTS),
        ["5 bad_enum kind", "6 bad_enum outcome", "7 bad_type sent_date"],
    ),
    Example(
        "salesforce_report_en_us",
        PROPOSAL,
        deals("lost", "upsell", ["006A001", "006A002", "006A003"], AGENCY_CLIENTS),
        ["5 bad_enum kind", "6 bad_type sent_date"],
        skipped=(3, 0),
    ),
    Example(
        "odoo_sale_orders",
        PROPOSAL,
        [
            "S00031 KH001 NV002 new_business 450000000.0 VND 2024-03-01 won 2024-03-31",
            "S00032 KH002 NV001 upsell 15000.5 USD 2024-03-05 open -",
        ],
        # Cancelled by whom, and a quotation without a tag. One that was not sent is no proposal yet.
        ["5 bad_enum outcome", "6 missing_required kind"],
        skipped=(0, 1),
    ),
    Example(
        "jira_projects",
        f"{PROJECT}, cancelled_date",
        [
            "HM-1 KH001 NV002 Landing page 2024-01-03 2024-02-29 2024-02-28 -",
            "AD-1 KH002 NV001 TVC hè 2024-01-04 2024-06-30 - -",
            "AD-2 KH002 NV001 Sự kiện 2024-01-05 2024-06-30 - 2024-03-01",
        ],
        ["6 bad_type delivered_date"],
        skipped=(0, 1),
    ),
    Example(
        "asana_projects",
        PROJECT,
        [
            "1201 KH001 NV002 Landing page 2024-01-05 2024-02-29 2024-02-28",
            "1203 KH001 NV001 TVC hè 2024-01-04 2024-06-30 -",
        ],
        ["5 missing_required committed_due_date"],
        skipped=(0, 1),
    ),
    Example(
        "google_forms_client_survey",
        SURVEY,
        ["KH001 2024-03-09 2024-03-09 5.0 -", "KH002 2024-03-09 2024-03-09 4.0 ok, good"],
        # 3/10/2024 is written by a spreadsheet, and can be two days.
        ["4 bad_type sent_date"],
    ),
    Example(
        "google_forms_khao_sat_khach_hang",
        SURVEY,
        ["KH001 2024-03-09 2024-03-09 5.0 -", "KH002 2024-03-09 2024-03-09 4.0 ok, tốt"],
        ["4 unknown_reference client_id"],
    ),
    Example(
        "google_forms_peer_review",
        REVIEW,
        ["NV001 NV002 Creative 2024-03-09 4.0 5.0", "NV002 NV001 Account 2024-03-09 3.0 -"],
        ["4 unknown_reference reviewer_id"],
    ),
    Example(
        "google_forms_danh_gia_dong_nghiep",
        REVIEW,
        ["NV001 NV002 Sáng tạo 2024-03-09 4.0 5.0"],
        ["3 out_of_range project_management_score"],
    ),
    Example(
        "microsoft_forms_client_survey",
        SURVEY,
        ["KH001 2024-03-09 2024-03-09 5.0 -", "KH002 2024-03-09 2024-03-09 4.0 ok, good"],
        ["4 out_of_range score"],
    ),
    Example(
        "microsoft_forms_peer_review",
        REVIEW,
        ["NV001 NV002 Creative 2024-03-09 4.0 5.0", "NV002 NV001 Account 2024-03-09 3.0 -"],
    ),
    Example(
        "typeform_client_survey",
        SURVEY,
        # 17:01 UTC of 31 March is 1 April in Vietnam. An answer that was not sent is left out.
        ["KH001 2024-04-01 2024-04-01 5.0 -", "KH002 2024-03-31 2024-03-31 4.0 ok"],
        skipped=(0, 1),
    ),
    Example(
        "typeform_peer_review",
        REVIEW,
        ["NV001 NV002 Creative 2024-04-01 4.0 5.0"],
        ["3 unknown_reference account_manager_id"],
    ),
    Example(
        "surveymonkey_client_survey",
        SURVEY,
        ["KH001 2024-03-31 2024-03-31 5.0 -", "KH002 2024-04-01 2024-04-01 4.0 ok"],
        # 13/04/2024 cannot be of the United States.
        ["5 bad_type sent_date"],
    ),
    Example(
        "surveymonkey_peer_review",
        REVIEW,
        ["NV001 NV002 Creative 2024-03-31 4.0 5.0", "NV002 NV001 Account 2024-04-01 3.0 -"],
        ["5 unknown_reference reviewer_id"],
    ),
    Example(
        "trello_cards_vi",
        PROJECT,
        [
            "https://trello.com/c/aBcD1234 KH001 - Landing page 2024-01-05 2024-02-29 2024-02-28",
            "https://trello.com/c/aBcD1235 KH001 - TVC hè 2024-01-04 2024-06-30 -",
        ],
        ["4 missing_required committed_due_date"],
    ),
    Example(
        "trello_cards_en_us",
        PROJECT,
        [
            "https://trello.com/c/xYz12341 KH001 - Landing page 2024-01-05 2024-02-29 2024-02-28",
            "https://trello.com/c/xYz12342 KH001 - TVC 2024-01-04 2024-06-30 -",
        ],
        ["4 bad_type committed_due_date"],
    ),
]


def example_files() -> dict[str, bytes]:
    """Path below LANDING -> bytes. One is zipped, as Google Forms gives it."""
    files = {path.relative_to(EXAMPLES).as_posix(): path.read_bytes() for path in EXAMPLES.rglob("*") if path.is_file()}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("Client survey.csv", files.pop("google_forms/Client survey.csv"))
    return {**files, "google_forms/Client survey.csv.zip": zipped.getvalue()}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    """An agency that has loaded and checked the base data and all examples."""
    agency = Agency.at(tmp_path_factory.mktemp("shipped") / "home")
    files = example_files()
    report = agency.load({**BASE, **files})
    assert {each.status for each in report.deliveries} == {"loaded"}
    # Each file was taken once: no example belongs to two mappings.
    assert len(report.deliveries) == len(BASE) + len(files)
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
    return agency


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES_OF_MAPPINGS, ids=lambda example: example.mapping)
def test_an_export_gives_its_rows_and_holds_back_what_is_not_certain(loaded: Agency, example: Example) -> None:
    extract = next(each.extract for each in SHIPPED if each.name == example.mapping)
    of_mapping = f"_delivery in (select delivery from raw.ledger where source = '{example.mapping}')"
    found = loaded.rows(f"select {example.columns} from valid.{extract} where {of_mapping} order by _line")
    assert [" ".join("-" if value is None else str(value) for value in row) for row in found] == example.rows
    held = loaded.rows(
        "select concat_ws(' ', _line, reason, column_name) from validation.quarantine"
        f" where {of_mapping} order by _line"
    )
    assert [text for (text,) in held] == example.held
    skipped = "select sum(rows_skipped_footer), sum(rows_skipped_filtered) from raw.ledger"
    assert loaded.rows(f"{skipped} where source = '{example.mapping}'") == [example.skipped]


def test_each_shipped_mapping_has_an_example() -> None:
    assert {each.mapping for each in EXAMPLES_OF_MAPPINGS} == {each.name for each in SHIPPED} - TESTED_ELSEWHERE


def test_no_two_shipped_mappings_take_the_same_file_for_the_same_extract_or_from_two_systems() -> None:
    paths = {pattern.replace("*", middle) for each in SHIPPED for pattern in each.file for middle in ("", "2024-04-02")}
    for path in paths | set(example_files()):
        takers = [each for each in SHIPPED if each.takes(path)]
        assert takers, path
        assert len({each.extract for each in takers}) == len(takers), path
        systems = {each.name.split("_")[0] for each in takers}
        assert len(systems) == 1, (path, systems)


def test_the_files_of_two_systems_may_have_the_same_name() -> None:
    takers = {
        folder: [each.name for each in SHIPPED if each.takes(f"{folder}/deals.csv")]
        for folder in ("hubspot", "pipedrive", "zoho_crm", "elsewhere")
    }
    assert takers == {
        "hubspot": ["hubspot_deals"],
        "pipedrive": ["pipedrive_deals"],
        "zoho_crm": ["zoho_deals"],
        "elsewhere": [],
    }


def test_a_shipped_mapping_leaves_a_file_to_the_agencys_own_mapping_for_the_same_extract(tmp_path: Path) -> None:
    own = "file: 'hubspot/*.csv'\nextract: clients\ncolumns:\n  client_id: Record ID\n  client_name: Company name\n"
    (tmp_path / "crm.yml").write_text(own, encoding="utf-8")
    mappings = read_mappings(SHIPPED_MAPPINGS, tmp_path, ZoneInfo("Asia/Ho_Chi_Minh"))
    assert [each.name for each in mappings.taking("hubspot/companies.csv")] == ["crm"]
    assert [each.name for each in mappings.taking("hubspot/companies.xlsx")] == ["hubspot_companies"]
    assert [each.name for each in mappings.taking("hubspot/deals.csv")] == ["crm", "hubspot_deals"]


def test_the_page_has_each_mapping_its_folder_and_the_titles_of_its_questions() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for each in SHIPPED:
        if each.name in TESTED_ELSEWHERE:
            continue
        assert f"`{each.name}`" in page
        for folder in _folders(each.file):
            assert f"`{folder}/" in page
        for column in each.native_names():
            assert f"`{column}`" in page, (each.name, column)


def test_the_page_names_no_mapping_that_is_not_shipped() -> None:
    lines = re.findall(r"^mapping: (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for line in lines for name in re.findall(r"`(\w+)`", line)}
    assert named == {each.name for each in SHIPPED} - {name for name in TESTED_ELSEWHERE if name.startswith("nyc_")}


def _folders(patterns: tuple[str, ...]) -> set[str]:
    return {pattern.rpartition("/")[0] for pattern in patterns if "/" in pattern}
