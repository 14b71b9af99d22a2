"""Drafts of mappings: what is found from a header, and that the file asks for the rest."""

from __future__ import annotations

import csv
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.mappings.files import MappingError, load_mappings
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.mappings.scaffold import scaffold
from tests.paths import REAL_EXPORTS as REAL

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def drafted(tmp_path: Path, header: list[str], extract: str, pattern: str = "x*.csv") -> Mapping:
    (tmp_path / "draft.yml").write_text(scaffold(header, EXTRACTS[extract], pattern), encoding="utf-8")
    (mapping,) = load_mappings(tmp_path, None, ZONE)
    return mapping


def found(mapping: Mapping) -> dict[str, str | None]:
    return {name: rule.column for name, rule in mapping.columns.items()}


def test_a_draft_of_a_canonical_header_maps_every_column_of_every_extract(tmp_path: Path) -> None:
    for extract in EXTRACTS.values():
        header = [column.name.replace("_", " ").title() for column in extract.all_columns]
        mapping = drafted(tmp_path, header, extract.name)
        assert mapping.extract == extract.name
        assert found(mapping) == dict(zip((column.name for column in extract.all_columns), header, strict=True))


def test_vietnamese_and_english_names_are_known_with_and_without_marks(tmp_path: Path) -> None:
    header = ["Mã khách hàng", "TEN KHACH HANG", "Ngành nghề", "Last Modified Date", "DA XOA"]
    assert found(drafted(tmp_path, header, "clients")) == {
        "client_id": "Mã khách hàng",
        "client_name": "TEN KHACH HANG",
        "industry": "Ngành nghề",
        "updated_at": "Last Modified Date",
        "is_deleted": "DA XOA",
    }


def test_a_bare_id_is_the_key_unless_a_better_name_is_there(tmp_path: Path) -> None:
    assert found(drafted(tmp_path, ["Id", "Name"], "clients")) == {"client_id": "Id", "client_name": "Name"}
    assert found(drafted(tmp_path, ["id", "account id", "name"], "clients"))["client_id"] == "account id"


def test_a_required_column_that_nothing_matches_is_a_commented_line_and_the_file_is_refused(tmp_path: Path) -> None:
    text = scaffold(["PID", "Foo"], EXTRACTS["projects"], "*.csv")
    assert '  # currency: required; the native column, or { constant: "VND" } where all rows have one currency' in text
    assert "  # start_date: required; the native column, with date_format" in text
    assert '#   "Foo"' in text
    assert "budget_amount" not in text
    with pytest.raises(MappingError, match="client_id, project_name, start_date, committed_due_date, currency are"):
        drafted(tmp_path, ["PID", "Foo"], "projects")


def test_a_native_column_serves_once_and_one_that_is_there_twice_not_at_all() -> None:
    text = scaffold(["client id", "Owner", "owner"], EXTRACTS["proposals"], "*.csv")
    assert "client_id:" in text
    assert 'owner_id: "' not in text
    assert text.count('"client id"') == 1


def test_names_full_of_signs_are_written_so_that_they_read_back(tmp_path: Path) -> None:
    header = ['Client "ID": #1', "Client\nName"]
    text = scaffold(header, EXTRACTS["clients"], "we: [ird] #.csv")
    assert '#   "Client \\"ID\\": #1"' in text
    mapping = drafted(tmp_path, ["client_id", " Client-Name", "x\u2028client_id: y"], "clients", "we: [ird] #.csv")
    assert mapping.file == ("we: [ird] #.csv",)
    assert found(mapping) == {"client_id": "client_id", "client_name": "Client-Name"}


def test_the_real_salesforce_header_lacks_only_its_currency(tmp_path: Path) -> None:
    path = REAL / "salesforce_opportunity.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    with pytest.raises(MappingError, match="columns: currency is required by proposals but not mapped"):
        drafted(tmp_path, header, "proposals")
