"""A HOME of an earlier version is brought up to date by the next command that writes."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.run import Run
from amkpi.core.storage.locking import locked
from amkpi.core.storage.migrations import home_layout, state_stores, warehouse
from amkpi.core.storage.migrations.migration import Migration, newest
from amkpi.ingestion import delivery_log
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.pipeline import steps
from amkpi.scorecards.mail.history import History
from tests.core.storage.homes import STORES, count_of_stores, home_of_0_1_0, rows

# The columns that the ledger had in version 0.1.0.
LEDGER = "delivery, run, file_name, extract, source, sha256, bytes, status, reason, rows_read, loaded_at, settled"


@pytest.fixture
def old(tmp_path: Path) -> Run:
    """The HOME that version 0.1.0 left."""
    return home_of_0_1_0(tmp_path)


def command(run: Run, *words: str) -> subprocess.CompletedProcess[str]:
    """An amkpi command on the HOME, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMKPI_")}
    return subprocess.run(
        [sys.executable, "-m", "amkpi.interfaces.cli.main", *words, "--home", str(run.home.root)],
        env=environment, text=True, capture_output=True, check=False, timeout=120,
    )  # fmt: skip


def facts(run: Run, parsed: str, superseded: str, from_future: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the ledger, and of each extract as they came and as they were parsed."""
    found = {"ledger": rows(run.home.warehouse, f"select {LEDGER} from raw.ledger order by delivery")}
    for name in EXTRACTS:
        found[f"raw {name}"] = rows(run.home.warehouse, f"select * from raw.{name} order by all")
        found[f"parsed {name}"] = rows(
            run.home.warehouse,
            f"select * exclude ({superseded}, {from_future}), {superseded}, {from_future} from {parsed}.{name}"
            " order by all",
        )
    return found


@pytest.mark.slow
def test_the_next_command_brings_a_home_of_0_1_0_up_to_date_and_loses_no_row(
    old: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = facts(old, "typed", "_passed_over", "_clock_ahead")
    assert sum(map(len, before.values())) > 80
    stored = count_of_stores(old.home.state)
    assert min(stored.values()) > 0
    deliveries = delivery_log.read(old.home.state)

    steps.load(old)

    found = capsys.readouterr()
    assert found.out == ""
    # The delivery log is not in the line: this test has read it before.
    assert found.err.splitlines() == [
        f"amkpi: {old.home.root} was brought up to date: the warehouse from layout 1 to 3 (schemas typed and judged"
        " renamed to parsed and validation, current_rows to valid; the ledger counts skipped, changed and deleted"
        " rows), its folders from layout 1 to 2 (state/journal.sqlite renamed to state/delivery_log.sqlite),"
        " state/scorecards.sqlite from layout 1 to 2 (all figures of a mail, not its values alone)"
    ]
    assert facts(old, "parsed", "_superseded", "_from_future") == before
    assert count_of_stores(old.home.state, lambda name: name.replace("journal", "delivery_log")) == stored
    assert not (old.home.state / "journal.sqlite").exists()
    assert delivery_log.read(old.home.state) == deliveries
    schemas = rows(old.home.warehouse, "select distinct schema_name from duckdb_tables() order by all")
    assert schemas == [("parsed",), ("raw",), ("validation",)]

    steps.load(old)
    assert capsys.readouterr().err == ""


def test_what_no_build_has_used_is_still_unprocessed(old: Run) -> None:
    assert {family: found.extracts for family, found in steps.load(old).unprocessed.items()} == {
        "reference": {"fx_rates": 1}
    }


def test_what_was_mailed_is_kept_and_has_names_for_its_figures(old: Run) -> None:
    with closing(sqlite3.connect(old.home.state / "scorecards.sqlite")) as connection:
        before = [json.loads(told) for (told,) in connection.execute("select told from sendings order by rowid")]
    assert sum(map(len, before)) > 0
    steps.load(old)
    figures = [
        [[f.scope, f.staff_id, f.kpi, f.grain, f.period_start.isoformat(), f.figure] for f in sending.figures]
        for sending in History(old.home.state).read()
    ]
    assert sorted(map(str, figures)) == sorted(map(str, before))
    assert {f.what for sending in History(old.home.state).read() for f in sending.figures} == {"value"}


@pytest.mark.slow
def test_a_build_after_it_gives_the_same_values_and_keeps_the_history(old: Run) -> None:
    # All columns of 0.1.0. Since 0.2 the collaboration score of a running period is hidden.
    values = (
        "select kpi, scope, staff_id, period_grain, period_start, period_end, value, numerator, denominator,"
        " sample_size, unit, is_provisional, null_reason, wilson_low, wilson_high from marts.kpi_values"
        " where not (kpi = 'internal_collaboration_score' and is_provisional) order by all"
    )
    before = rows(old.home.current.resolve(), values)
    sent = rows(old.home.current.resolve(), "select * from marts.scorecards_sent order by all")
    quarantine = rows(old.home.warehouse, "select * exclude (raw_row) from judged.quarantine order by all")
    assert len(before) > 100
    steps.load(old)
    steps.build(old)
    steps.audit(old)
    published = steps.publish(old)
    assert published.is_new
    assert rows(published.file, values) == before
    assert rows(published.file, "select * from marts.scorecards_sent order by all")[: len(sent)] == sent
    assert rows(old.home.warehouse, "select * exclude (raw_row) from validation.quarantine order by all") == quarantine
    failing = rows(published.file, "select min(since) < timestamptz '2026-03-22' from marts.quality_results")
    assert failing == [(True,)], "the audits of before know since when a check fails"


@pytest.mark.slow
def test_a_rebuilt_warehouse_equals_the_migrated_one(old: Run) -> None:
    steps.load(old)
    migrated = facts(old, "parsed", "_superseded", "_from_future")
    steps.rebuild(old)
    rebuilt = facts(old, "parsed", "_superseded", "_from_future")
    for name in EXTRACTS:
        # Which rows are superseded is decided by the next build.
        assert [row[:-2] for row in migrated[f"parsed {name}"]] == [row[:-2] for row in rebuilt[f"parsed {name}"]]
        assert migrated[f"raw {name}"] == rebuilt[f"raw {name}"]
    assert migrated["ledger"] == rebuilt["ledger"]


@pytest.mark.slow
def test_a_home_of_0_1_0_can_be_read_before_it_is_brought_up_to_date(old: Run) -> None:
    for words in (["status"], ["query", "select count(*) from kpi_values"]):
        done = command(old, *words)
        assert (done.returncode, done.stderr) == (0, ""), done
    explained = command(old, "explain", "client_revenue", "2026-02")
    assert explained.returncode == 1
    assert len(explained.stderr.splitlines()) == 1
    assert "was made by 0.1.0+" in explained.stderr
    assert "run `amkpi run`" in explained.stderr
    assert rows(old.home.warehouse, "select count(*) > 0 from typed.clients") == [(True,)]


@pytest.mark.slow
@pytest.mark.parametrize("point", ["migration", "record"])
def test_a_run_that_is_killed_in_a_migration_leaves_the_layout_of_before_and_the_next_goes_on(
    old: Run, point: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed before the commit of all that was copied and dropped; or after it, before HOME's layout is recorded."""
    before = facts(old, "typed", "_passed_over", "_clock_ahead")
    function = {"migration": "warehouse.record", "record": "home_layout._write_record"}[point]
    code = (
        "import os, sys; from pathlib import Path; from amkpi.core.run import Run; from amkpi.pipeline import steps;"
        " from amkpi.core.storage.migrations import home_layout, warehouse;"
        f" {function} = lambda *_: os._exit(9);"
        " steps.load(Run.prepare(Path(sys.argv[1])))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(old.home.root)], check=False, timeout=120)
    assert done.returncode == 9
    if point == "migration":
        assert facts(old, "typed", "_passed_over", "_clock_ahead") == before
    steps.load(old)
    assert "brought up to date" in capsys.readouterr().err
    assert facts(old, "parsed", "_superseded", "_from_future") == before
    assert home_layout.version(old.home) == 2


def test_a_migration_that_fails_changes_nothing_and_its_error_is_seen(
    old: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("drop table raw.clients")
        connection.execute("select * from nowhere")

    before = newest(warehouse.MIGRATIONS)
    failing = Migration(before + 1, "never", fails)
    monkeypatch.setattr(warehouse, "MIGRATIONS", (*warehouse.MIGRATIONS, failing))
    for _ in range(2):
        with pytest.raises(duckdb.CatalogException, match="nowhere"), locked(old.home, old.settings):
            pass
    assert rows(old.home.warehouse, "select version from raw.warehouse_layout") == [(before,)]
    assert rows(old.home.warehouse, "select count(*) from raw.clients") == [(2,)]


@pytest.mark.parametrize("thing", ["home", "warehouse", "store"])
def test_a_home_of_a_newer_version_is_refused_in_one_line_before_anything_changes(old: Run, thing: str) -> None:
    if thing == "home":
        home_layout.record_file(old.home).write_text('{"layout": 99}')
    elif thing == "warehouse":
        with duckdb.connect(str(old.home.warehouse)) as connection:
            warehouse.record(connection, 99)
    else:
        with state_stores.AUDITS.open(old.home.state) as connection:
            connection.execute("pragma user_version = 99")
    with pytest.raises(AmkpiError, match=r"newer version of amkpi \(layout 99.*install that version") as refused:
        steps.load(old)
    assert "\n" not in str(refused.value)
    assert (old.home.state / "journal.sqlite").exists()
    assert rows(old.home.warehouse, "select count(*) from typed.clients") == [(2,)]


@pytest.mark.slow
def test_a_warehouse_that_is_replaced_by_an_old_copy_is_brought_up_to_date_too(
    old: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copy(old.home.warehouse, tmp_path / "copy.duckdb")
    steps.load(old)
    capsys.readouterr()
    shutil.copy(copy, old.home.warehouse)
    steps.load(old)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{old.home.warehouse} was brought up to date: the warehouse from layout 1 to 3" in line
    steps.load(old)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_backup_by_0_1_0_is_restored(old: Run, tmp_path: Path) -> None:
    (folder,) = (old.home.root / "backups").iterdir()
    restored = Run.prepare(tmp_path / "restored")
    assert steps.restore(restored, folder) == 16
    assert [each.delivery for each in delivery_log.read(restored.home.state)] == list(range(1, 17))
    assert not (restored.home.state / "journal.sqlite").exists()
    assert (restored.home.state / "delivery_log.sqlite").is_file()
    sent = count_of_stores(folder / "state")
    assert count_of_stores(restored.home.state, lambda name: name.replace("journal", "delivery_log")) == sent


def test_a_home_of_0_1_0_can_be_backed_up_before_it_is_brought_up_to_date(old: Run) -> None:
    report, _ = steps.back_up(old)
    assert count_of_stores(report.folder / "state") == count_of_stores(old.home.state)


def test_a_new_home_begins_with_the_newest_layout_and_reports_nothing(
    old: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = Run.prepare(tmp_path / "fresh")
    (fresh.home.root / "landing" / "clients").mkdir(parents=True)
    (fresh.home.root / "landing" / "clients" / "a.csv").write_text("client_id,client_name\nC1,One\n")
    steps.load(fresh)
    assert capsys.readouterr().err == ""
    version = newest(warehouse.MIGRATIONS)
    assert rows(fresh.home.warehouse, "select version from raw.warehouse_layout") == [(version,)]
    assert home_layout.version(fresh.home) == 2
    assert (fresh.home.state / "delivery_log.sqlite").exists()


def test_a_damaged_store_stops_only_what_needs_it(old: Run) -> None:
    (old.home.state / "audits.sqlite").write_bytes(b"no database, but long enough to be looked into by SQLite" * 20)
    steps.load(old)
    remedy = r"audits\.sqlite cannot be used: .*; `amkpi restore BACKUP --only audits"
    with pytest.raises(AmkpiError, match=remedy), state_stores.AUDITS.open(old.home.state):
        pass


def test_the_warehouse_of_before_0_1_0_is_brought_up_to_date() -> None:
    """It repeated a file's name, hash and load time beside each row, and had no mark of superseded rows."""
    with duckdb.connect() as connection:
        for schema in ("raw", "typed", "judged", "current_rows", "audit"):
            connection.execute(f"create schema {schema}")
        connection.execute("create table raw.ledger (delivery bigint primary key, sha256 varchar)")
        connection.execute("insert into raw.ledger values (1, 'abc')")
        connection.execute(
            "create table raw.clients (client_id varchar, _line bigint not null, _delivery bigint not null,"
            " _file varchar, _sha256 varchar, _loaded_at timestamptz)"
        )
        connection.execute("insert into raw.clients values ('C1', 2, 1, 'a.csv', 'abc', now())")
        connection.execute(
            "create table typed.clients (client_id varchar, _delivery bigint not null, _line bigint not null,"
            " _clock_ahead boolean not null)"
        )
        connection.execute("insert into typed.clients values ('C1', 1, 2, false)")
        connection.execute("create table current_rows.clients as select 'old' as old")
        assert warehouse.version(connection) == 0
        applied = warehouse.bring_up_to_date(connection)
        assert applied is not None
        assert (applied.before, applied.now, len(applied.changes)) == (0, 3, 3)
        assert connection.execute("select * from raw.clients").fetchall() == [("C1", 2, 1)]
        columns = "client_id, _delivery, _line, _from_future, _superseded"
        assert connection.execute(f"select {columns} from parsed.clients").fetchall() == [("C1", 1, 2, False, False)]
        ledger = connection.execute("select delivery, sha256, rows_deleted, mapping_sha256 from raw.ledger").fetchall()
        assert ledger == [(1, "abc", 0, None)]
        assert warehouse.bring_up_to_date(connection) is None


def test_migrations_are_numbered_in_order_and_say_what_they_change() -> None:
    lists = [warehouse.MIGRATIONS, home_layout.MIGRATIONS, *(store.migrations for store in state_stores.STORES)]
    for migrations in lists:
        assert [each.number for each in migrations] == list(range(1, len(migrations) + 1))
        assert all(each.text and "\n" not in each.text and len(each.text) < 100 for each in migrations)
    since_0_1_0 = {
        "first_seen.sqlite",
        "closing_requests.sqlite",
        "dismissals.sqlite",
        "sign_ins.sqlite",
        "addresses.sqlite",
        "erasures.sqlite",
    }
    assert {store.former_name or store.name for store in state_stores.STORES} == set(STORES) | since_0_1_0
