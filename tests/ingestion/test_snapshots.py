"""Snapshots: each file of such a source holds everything, so a key that a newer file lacks is gone."""

from __future__ import annotations

import pytest

from amkpi.ingestion.delivery_log import read
from amkpi.ingestion.validation.row_checks import check_rows
from tests.conftest import Agency

MAPPING = """
file: "*crm*.csv"
extract: clients
snapshot: true
where: "\\"Kind\\" <> 'lead'"
columns:
  client_id: Id
  client_name: Name
  updated_at: Changed
"""
HEAD = "Id,Name,Kind,Changed\n"


@pytest.fixture
def crm(agency: Agency) -> Agency:
    """An agency whose CRM exports snapshots."""
    agency.home.sources.mkdir()
    (agency.home.sources / "crm.yml").write_text(MAPPING)
    return agency


def current(agency: Agency) -> list[tuple[str, str]]:
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
    return agency.rows("select client_id, client_name from valid.clients order by 1")


def test_a_key_that_a_newer_file_lacks_is_gone_and_may_come_back(crm: Agency) -> None:
    crm.load({"crm.csv": HEAD + "A,a1,client,\nB,b1,client,\n"})
    assert current(crm) == [("A", "a1"), ("B", "b1")]
    crm.load({"crm.csv": HEAD + "B,b2,client,\n"})
    assert current(crm) == [("B", "b2")]
    crm.load({"crm.csv": HEAD + "C,c3,client,\n"})
    assert current(crm) == [("C", "c3")]
    crm.load({"crm.csv": HEAD + "A,a4,client,\nC,c3,client,\n"})
    assert current(crm) == [("A", "a4"), ("C", "c3")]


def test_absence_counts_in_no_file(crm: Agency) -> None:
    crm.load({"crm.csv": HEAD + "A,a1,client,\nB,,client,\n"})
    crm.load({"crm.csv": HEAD + "C,c2,client,\n"})
    assert [(each.rows_read, each.status) for each in read(crm.home.state)] == [(2, "loaded"), (1, "loaded")]
    assert crm.rows("select count(*) from raw.clients") == [(3,)]
    assert current(crm) == [("C", "c2")]
    assert crm.rows("select _delivery, _line, reason from validation.quarantine") == [(1, 3, "missing_required")]


def test_absence_beats_the_newest_row_of_the_source_even_one_of_an_earlier_file(crm: Agency) -> None:
    crm.load({"crm.csv": HEAD + "A,newest,client,2026-05-01\n"})
    crm.load({"crm.csv": HEAD + "A,older,client,2026-04-01\n"})
    assert current(crm) == [("A", "newest")]
    crm.load({"crm.csv": HEAD})
    assert current(crm) == []


def test_a_row_that_a_filter_leaves_out_is_absent_and_one_held_back_is_not(crm: Agency) -> None:
    crm.load({"crm.csv": HEAD + "A,a1,client,\nB,b1,client,\n"})
    crm.load({"crm.csv": HEAD + "A,a2,lead,\nB,,client,\n"})
    assert current(crm) == [("B", "b1")]
    assert crm.rows("select keeps_older_row from validation.quarantine") == [(True,)]


def test_only_keys_of_that_source_go(crm: Agency) -> None:
    crm.load({"clients/by_hand.csv": "client_id,client_name\nH,by hand\n", "crm.csv": HEAD + "A,a1,client,\n"})
    crm.load({"crm.csv": HEAD + "B,b2,client,\n"})
    assert current(crm) == [("B", "b2"), ("H", "by hand")]


def test_a_newer_row_of_another_source_outlives_the_absence(crm: Agency) -> None:
    crm.load({"crm.csv": HEAD + "A,a1,client,2026-01-01\nB,b1,client,2026-01-01\n"})
    crm.load({"clients/by_hand.csv": "client_id,client_name,updated_at\nA,by hand,2026-02-01\nB,late,2025-12-01\n"})
    crm.load({"crm.csv": HEAD})
    assert current(crm) == [("A", "by hand")]


def test_a_snapshot_is_a_duplicate_of_its_last_file_only(crm: Agency) -> None:
    first, second = HEAD + "A,a,client,\n", HEAD + "B,b,client,\n"
    found = [crm.load({"crm.csv": content}).deliveries[0].status for content in (first, first, second, first, first)]
    assert found == ["loaded", "duplicate", "loaded", "loaded", "duplicate"]
    assert current(crm) == [("A", "a")]


def test_a_rejected_file_deletes_nothing(crm: Agency) -> None:
    crm.load({"crm.csv": HEAD + "A,a1,client,\n"})
    crm.load({"crm.csv": 'Id,Name,Kind,Changed\nB,"b\n'})
    assert current(crm) == [("A", "a1")]
    assert crm.load({"crm.csv": HEAD + "A,a1,client,\n"}).count("duplicate") == 1


def test_two_snapshots_in_one_run_follow_each_other_by_path(crm: Agency) -> None:
    crm.load({"b_crm.csv": HEAD + "A,a2,client,\n", "a_crm.csv": HEAD + "A,a1,client,\nB,b1,client,\n"})
    assert current(crm) == [("A", "a2")]


def test_a_key_that_went_before_the_last_file_is_not_deleted_again(crm: Agency) -> None:
    crm.load({"crm.csv": HEAD + "A,a1,client,\nB,b1,client,\n"})
    crm.load({"crm.csv": HEAD + "B,b2,client,\n"})
    crm.load({"clients/by_hand.csv": "client_id,client_name\nA,by hand\n"})
    crm.load({"crm.csv": HEAD + "B,b3,client,\n"})
    assert current(crm) == [("A", "by hand"), ("B", "b3")]
