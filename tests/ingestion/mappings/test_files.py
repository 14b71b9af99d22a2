"""One wrong mapping file does not disturb the others."""

from __future__ import annotations

import pytest

from amkpi.ingestion.mappings.files import read_mappings
from tests.conftest import Agency

GOOD = 'file: "clients*.csv"\nextract: clients\ncolumns:\n  client_id: Id\n  client_name: Name\n'
ROWS = "Id,Name\n1,Hoa Mai\n"


def write(agency: Agency, **mappings: str) -> None:
    agency.home.sources.mkdir(parents=True, exist_ok=True)
    for name, text in mappings.items():
        (agency.home.sources / f"{name}.yml").write_text(text, encoding="utf-8")


def outcome(agency: Agency, files: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {
        each.file_name: (each.status, each.reason or "") for each in agency.load(dict.fromkeys(files, ROWS)).deliveries
    }


@pytest.mark.parametrize(
    ("wrong", "concerned"),
    [
        (GOOD.replace("clients*", "deals*").replace("client_name", "client_nam"), {"deals.csv"}),
        ("file: [deals*.csv\n", {"deals.csv", "other.csv"}),
        ("extract: clients\n", {"deals.csv", "other.csv"}),
        # A file that two mappings take is loaded by both or by none.
        (GOOD.replace("Id", '""'), {"clients.csv"}),
    ],
)
def test_a_wrong_mapping_concerns_only_the_files_that_it_may_take(
    agency: Agency, wrong: str, concerned: set[str]
) -> None:
    write(agency, good=GOOD, wrong=wrong)
    files = {"clients.csv": ROWS, "deals.csv": ROWS, "other.csv": ROWS, "clients/canonical.csv": ROWS}
    found = outcome(agency, files)
    by_mapping = {name for name, (_, reason) in found.items() if "wrong.yml" in reason}
    assert by_mapping == concerned
    assert all("put the file into LANDING again" in found[name][1] for name in concerned)
    if "clients.csv" not in concerned:
        assert found["clients.csv"] == ("loaded", "")


def test_a_corrected_mapping_takes_the_file_that_came_again(agency: Agency) -> None:
    write(agency, wrong=GOOD.replace("client_name", "client_nam"))
    assert outcome(agency, {"clients.csv": ROWS})["clients.csv"][0] == "rejected"
    write(agency, wrong=GOOD)
    assert outcome(agency, {"clients.csv": ROWS})["clients.csv"] == ("loaded", "")


def test_a_wrong_mapping_keeps_no_traceback(agency: Agency) -> None:
    write(agency, wrong=GOOD.replace("Id", "{ sql: now() }"))
    (wrong,) = read_mappings(agency.home.sources, None, agency.run.settings.zone).broken
    assert wrong.error.__traceback__ is None
    assert wrong.error.__cause__ is None
