"""A mapping that was corrected takes effect: its files are taken again, and keys of their earlier reading go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.ingestion import delivery_log
from amkpi.ingestion.loader import changed_mappings
from amkpi.ingestion.mappings.files import load_mappings
from amkpi.ingestion.validation import quarantine
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.pipeline import held_back, status, steps
from tests.changed_settings import changed
from tests.conftest import Agency

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_open")]

MAPPING = """
file: "*crm*.csv"
extract: clients
columns:
  client_id: {key}
  client_name: {name}
"""
HEAD = "Id,Code,Name,Title\n"


def mapping(agency: Agency, key: str = "Id", name: str = "Name", more: str = "") -> None:
    agency.home.sources.mkdir(exist_ok=True)
    (agency.home.sources / "crm.yml").write_text(MAPPING.format(key=key, name=name) + more)


def export(count: int, first: int = 1) -> str:
    return HEAD + "".join(f"K{n},C{n},,title {n}\n" for n in range(first, first + count))


def valid(agency: Agency) -> list[tuple[str, str]]:
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
    return agency.rows("select client_id, client_name from valid.clients order by 1")


def held(agency: Agency) -> int:
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
        return len(quarantine.rows(connection))


def reported(agency: Agency) -> dict[str, int]:
    mappings = load_mappings(agency.home.root / "none", agency.home.sources, agency.run.settings.zone)
    return changed_mappings(delivery_log.read(agency.home.state), mappings)


def test_known_bytes_are_a_duplicate_only_under_the_same_mapping(agency: Agency) -> None:
    mapping(agency)
    agency.load({"crm.csv": export(2)})
    assert agency.load({"crm.csv": export(2)}).count("duplicate") == 1
    mapping(agency, name="Title", more="# a comment\n")
    assert agency.load({"crm.csv": export(2)}).count("loaded") == 1
    mapping(agency, name="Title")
    assert agency.load({"crm.csv": export(2)}).count("duplicate") == 1, "another comment is not another mapping"
    assert held(agency) == 0


def test_the_files_of_a_changed_mapping_are_reported_and_taken_again_once_in_their_order(agency: Agency) -> None:
    mapping(agency)
    agency.load({"a_crm.csv": export(3), "b_crm.csv": export(3, 3)})
    agency.load({"clients/by_hand.csv": "client_id,client_name\nH,by hand\n"})
    assert held(agency) == 6
    assert reported(agency) == {}
    mapping(agency, name="Title")
    assert reported(agency) == {"crm": 2}
    assert agency.load().changed_mappings == {"crm": 2}
    report = steps.replay_mapping(agency.run, "crm")
    assert [(each.file_name, each.summary) for each in report.deliveries] == [
        ("a_crm.csv", "loaded, 3 rows"), ("b_crm.csv", "loaded, 3 rows"),
    ]  # fmt: skip
    assert reported(agency) == {}
    assert held(agency) == 0
    assert valid(agency) == [("H", "by hand"), *((f"K{n}", f"title {n}") for n in range(1, 6))]
    again = steps.replay_mapping(agency.run, "crm")
    assert (again.run, again.deliveries) == (None, ())


def test_a_row_whose_key_the_mapping_did_not_find_is_settled_by_the_new_reading(agency: Agency) -> None:
    mapping(agency, key="Name", name="Title")
    agency.load({"crm.csv": export(3)})
    assert held(agency) == 3
    mapping(agency, name="Title")
    steps.replay_mapping(agency.run, "crm")
    assert held(agency) == 0
    assert agency.rows("select rows_deleted from raw.ledger order by delivery") == [(0,), (0,)]


def test_a_key_that_only_the_wrong_reading_has_is_gone_and_counted(agency: Agency) -> None:
    mapping(agency, name="Title")
    agency.load({"a_crm.csv": export(10), "b_crm.csv": export(10, 8)})
    mapping(agency, key="Code", name="Title")
    with pytest.raises(AmkpiError, match=r"would delete 17 of the 17 keys .* --accept-deletions"):
        steps.replay_mapping(agency.run, "crm")
    assert len(valid(agency)) == 17
    report = steps.replay_mapping(agency.run, "crm", accept_deletions=True)
    assert [each.rows_deleted for each in report.deliveries] == [0, 17]
    assert valid(agency) == sorted((f"C{n}", f"title {n}") for n in range(1, 18))


def test_one_file_that_is_read_again_leaves_the_keys_of_the_others(agency: Agency) -> None:
    mapping(agency, name="Title")
    agency.load({"a_crm.csv": export(2), "b_crm.csv": export(2, 2)})
    mapping(agency, key="Code", name="Title")
    agency.load({"again_crm.csv": export(2)})
    # K2 is in the other file too, which was not read again.
    assert [key for key, _ in valid(agency)] == ["C1", "C2", "K2", "K3"]
    assert agency.rows("select rows_deleted from raw.ledger order by delivery") == [(0,), (0,), (1,)]


def test_a_replay_that_is_rebuilt_gives_the_same_rows(agency: Agency) -> None:
    mapping(agency, name="Title")
    agency.load({"a_crm.csv": export(3), "b_crm.csv": export(3, 3)})
    mapping(agency, key="Code", name="Title")
    steps.replay_mapping(agency.run, "crm", accept_deletions=True)
    mapping(agency, key="Id", name="Code")
    before = [agency.rows(f"select * from {table} order by all") for table in ("parsed.clients", "raw.ledger")]
    steps.rebuild(agency.run)
    assert [agency.rows(f"select * from {table} order by all") for table in ("parsed.clients", "raw.ledger")] == before


def test_of_a_snapshot_source_the_last_snapshot_is_taken_again(agency: Agency) -> None:
    mapping(agency, more="snapshot: true\n")
    agency.load({"crm.csv": export(5)})
    agency.load({"a_crm.csv": export(2), "b_crm.csv": export(1, 3)})
    mapping(agency, name="Title", more="snapshot: true\n")
    assert reported(agency) == {"crm": 2}
    assert [each.file_name for each in steps.replay_mapping(agency.run, "crm").deliveries] == ["a_crm.csv", "b_crm.csv"]
    assert valid(agency) == [(f"K{n}", f"title {n}") for n in range(1, 4)]
    assert held(agency) == 0


def test_files_of_before_texts_were_recorded_are_not_reported_but_taken_again_on_demand(agency: Agency) -> None:
    mapping(agency)
    agency.load({"crm.csv": export(2)})
    for delivery in delivery_log.read(agency.home.state):
        delivery_log.write(agency.home.state, [replace(delivery, mapping_sha256=None)])
    with agency.warehouse() as connection:
        connection.execute("update raw.ledger set mapping_sha256 = null")
    mapping(agency, name="Title")
    assert reported(agency) == {}
    assert agency.load({"crm.csv": export(2)}).count("duplicate") == 1
    assert steps.replay_mapping(agency.run, "crm").count("loaded") == 1


def test_a_setting_takes_them_again_in_the_next_load_unless_that_deletes_too_much(
    agency: Agency, capsys: pytest.CaptureFixture[str]
) -> None:
    agency.run = replace(agency.run, settings=changed(agency.run.settings, replay_changed_mappings=True))
    mapping(agency)
    agency.load({"crm.csv": export(10)})
    mapping(agency, name="Title")
    report = agency.load({"clients/by_hand.csv": "client_id,client_name\nH,by hand\n"})
    assert [each.file_name for each in report.deliveries] == ["clients/by_hand.csv", "crm.csv"]
    assert report.changed_mappings == {}
    assert len(valid(agency)) == 11
    mapping(agency, key="Code", name="Title")
    report = agency.load()
    assert (report.deliveries, report.changed_mappings) == ((), {"crm": 1})
    assert "would delete 10 of the 10 keys" in capsys.readouterr().out
    assert len(valid(agency)) == 11


def test_the_quarantine_names_the_mapping_and_says_replay_where_it_is_likely_wrong(
    agency: Agency, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping(agency)
    agency.load({"crm.csv": export(9)})
    held_back.show_quarantine(agency.run, None, None, None)
    shown = " ".join(capsys.readouterr().out.split())
    assert "crm.csv crm missing_required" in shown
    assert "amkpi replay --mapping crm" in shown
    mapping(agency, name="Title")
    status.show_status(status.read_status(agency.run))
    assert "mapping crm was changed" in " ".join(capsys.readouterr().out.split())


def test_a_few_bad_rows_are_no_fault_of_the_mapping(agency: Agency, capsys: pytest.CaptureFixture[str]) -> None:
    mapping(agency, name="Title")
    agency.load({"crm.csv": export(40) + "K90,C90,,\nK91,C91,,\n"})
    held_back.show_quarantine(agency.run, None, None, None)
    assert "replay" not in capsys.readouterr().out


def test_a_mapping_that_is_not_there_is_named_with_those_that_are(agency: Agency) -> None:
    mapping(agency)
    with pytest.raises(AmkpiError, match=r"no valid mapping is named deals; there are: .*crm"):
        steps.replay_mapping(agency.run, "deals")
