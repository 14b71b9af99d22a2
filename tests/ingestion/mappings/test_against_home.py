"""`sources check --home`: what a file means for the agency, before it is loaded."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from amkpi.ingestion.mappings.drafts.against_home import HomeUnread
from amkpi.ingestion.mappings.drafts.review import review
from amkpi.ingestion.mappings.files import from_text
from amkpi.ingestion.mappings.model import Mapping
from amkpi.interfaces.cli.mapping_check import show_check
from tests.conftest import Agency

CLIENTS = "client_id,client_name\nC1,Hoa Mai\nC2,Á Đông\nC3,Á Đông\n"
STAFF = "staff_id,valid_from,full_name,email,role,is_active\nNV1,2023-01-01,Lê Bình,b@x.vn,account_manager,yes\n"
MAPPING = """
file: "deals*.csv"
extract: proposals
snapshot: true
columns:
  proposal_id: Id
  client_id: { column: Customer, lookup: { extract: clients, by: client_name } }
  owner_id: Owner
  kind: { constant: new_business }
  amount: Value
  currency: { constant: VND }
  sent_date: Sent
  outcome: { constant: open }
"""
HEADER = "Id,Customer,Owner,Value,Sent\n"
BEFORE = HEADER + "".join(f"D{number},Hoa Mai,NV1,1,2026-04-03\n" for number in range(1, 7))
NOW = HEADER + (
    "D1,Hoa Mai,NV1,1,2026-04-03\nD2,hoa mai,NV9,1,2026-04-03\nD7,Á Đông,NV1,1,2026-04-03\nD8,Nobody,NV1,1,2026-04-03\n"
)


@pytest.fixture
def file(agency: Agency) -> Path:
    """An export that is not loaded yet; HOME has clients, a person, and the export of the day before."""
    agency.home.sources.mkdir()
    (agency.home.sources / "deals.yml").write_text(MAPPING, encoding="utf-8")
    agency.load({"clients/a.csv": CLIENTS, "staff/a.csv": STAFF, "deals.csv": BEFORE})
    path = agency.home.root / "deals-2.csv"
    path.write_text(NOW, encoding="utf-8")
    return path


def mapping(agency: Agency, text: str = MAPPING) -> Mapping:
    return from_text("deals", text, "deals.yml", agency.run.settings.zone)


def test_lookups_are_resolved_and_unknown_references_named(agency: Agency, file: Path) -> None:
    before = agency.home.warehouse.read_bytes()
    found = review(file, mapping(agency), agency.home.warehouse)
    assert found.against_home is not None
    clients, owners = found.against_home.references["client_id"], found.against_home.references["owner_id"]
    assert (clients.found, clients.missing, clients.ambiguous) == (1, [("nobody", 1)], [("á đông", 1)])
    assert (owners.found, owners.missing) == (1, [("NV9", 1)])
    # The rest of the check is of the file alone.
    assert (found.rows, found.keys) == (4, 4)
    assert agency.home.warehouse.read_bytes() == before


@pytest.mark.slow
def test_what_a_snapshot_would_delete_is_counted_and_named(agency: Agency, file: Path) -> None:
    found = review(file, mapping(agency), agency.home.warehouse)
    assert found.against_home is not None
    assert (found.against_home.lost.lost, found.against_home.lost.before) == (4, 6)
    assert found.against_home.first_lost == ["D3", "D4", "D5", "D6"]
    # The load says the same.
    report = agency.load({"deals-2.csv": NOW})
    assert "would delete 4 of the 6 keys" in str(report.deliveries[0].reason)


@pytest.mark.slow
def test_a_mapping_that_was_changed_shows_which_keys_its_file_would_lose(agency: Agency, file: Path) -> None:
    text = MAPPING.replace("snapshot: true\n", "")
    (agency.home.sources / "deals.yml").write_text(text, encoding="utf-8")
    agency.load({"deals.csv": BEFORE.replace("D6", "D9")})
    file.write_text(BEFORE.replace("D6", "D9"), encoding="utf-8")
    changed = mapping(agency, text + "where: \"Id <> 'D9'\"\n")
    found = review(file, changed, agency.home.warehouse)
    assert found.against_home is not None
    assert (found.against_home.lost.lost, found.against_home.first_lost) == (1, ["D9"])


@pytest.mark.slow
def test_the_command_says_it_and_without_home_says_how(
    agency: Agency, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_check(file, None, None, agency.home)
    printed = capsys.readouterr()
    out = " ".join((printed.out + printed.err).split())
    assert "client_id: 1 different value is found in clients of HOME" in out
    assert "client_id: clients has no 'nobody' (1 row): these rows would wait" in out
    assert "client_id: several of clients are 'á đông' (1 row): these rows would wait" in out
    assert "owner_id: staff has no 'NV9' (1 row)" in out
    assert "would delete 4 of the 6 keys of the last snapshot, a greater share than max_deleted_share allows" in out
    assert "deleted would be, for example: D3, D4, D5, D6" in out
    show_check(file, None, agency.home.sources / "deals.yml", None)
    assert "with --home they are looked up now" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_home_that_is_in_use_or_of_another_version_is_reported(agency: Agency, file: Path) -> None:
    with duckdb.connect(str(agency.home.warehouse)) as connection:
        connection.execute("update raw.warehouse_layout set version = 2")
    with pytest.raises(HomeUnread, match="of another version"):
        review(file, mapping(agency), agency.home.warehouse)
    agency.home.warehouse.write_bytes(b"no database")
    with pytest.raises(HomeUnread, match="cannot be read now"):
        review(file, mapping(agency), agency.home.warehouse)
