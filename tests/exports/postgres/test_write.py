"""How a publication gets into PostgreSQL: whole or not at all, without making readers wait, and only what changed."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.language.mart_texts import comments
from amkpi.core.settings import load_settings
from amkpi.exports.postgres import write as writing
from amkpi.exports.postgres.connection import connected, postgres_url
from amkpi.exports.postgres.tables import keys
from tests.changed_settings import changed
from tests.exports.postgres.conftest import Database, counted, marts_of, read
from tests.exports.postgres.server import Server
from tests.paths import ROOT

pytestmark = pytest.mark.slow

ONE, TWO = "00000000000000aa", "00000000000000bb"
COUNT = "select count(*), coalesce(sum(numerator), 0) from marts.adjustments"


@pytest.fixture
def agency(database: Database) -> Database:
    database.set_up(20)
    return database


def test_a_publication_that_is_there_is_not_written_again(agency: Database) -> None:
    before = agency.rows("select xmin, written_at from amkpi.state")
    report = agency.write()
    assert (report.is_new, report.rows, report.publication_id) == (False, 0, ONE)
    assert agency.rows("select xmin, written_at from amkpi.state") == before


def test_only_the_periods_that_changed_are_copied(agency: Database, server: Server) -> None:
    file = agency.publish(20, TWO)
    with writing.duckdb.connect(str(file)) as connection:
        connection.execute("update marts.kpi_values set numerator = 7 where period_start = '2026-08-01'")
        ((expected,),) = connection.execute(
            "select (select count(*) from marts.kpi_values where period_start = '2026-08-01') + 1"
        ).fetchall()
    report = agency.write()
    assert report.rows == expected, "and the one row of `publication`"
    connection = server.open(agency.name)
    for mart, rows in marts_of(file).items():
        assert counted(read(connection, f"marts.{mart}")) == counted(rows), mart
    connection.close()


def test_rows_that_somebody_deleted_by_hand_come_back(agency: Database) -> None:
    agency.rows("delete from marts.scorecards where ctid in (select ctid from marts.scorecards limit 3)")
    count = len(marts_of(agency.publish(20, TWO))["scorecards"])
    agency.write()
    assert agency.rows("select count(*) from marts.scorecards") == [(count,)]


def test_a_reader_keeps_what_a_transaction_began_with_and_nobody_waits(agency: Database, server: Server) -> None:
    reading, cursor_only = server.open(agency.name), psycopg2.connect(server.url(agency.name))
    with reading.cursor() as cursor, cursor_only.cursor("open") as half_read:
        cursor.execute("begin isolation level repeatable read")
        cursor.execute(COUNT)
        before = cursor.fetchall()
        half_read.itersize = 5
        half_read.execute("select publication_id, kpi from marts.kpi_values cross join marts.publication")
        rows = [next(half_read) for _ in range(5)]
        agency.publish(21, TWO)
        assert agency.write().is_new
        cursor.execute(COUNT)
        assert cursor.fetchall() == before
        cursor.execute("select publication_id from marts.publication")
        assert cursor.fetchall() == [(ONE,)], "a mart that is first read after the write is of the same publication"
        rows += list(half_read)
        assert {publication for publication, _ in rows} == {ONE}
        cursor.execute("commit")
        cursor.execute("select publication_id from marts.publication")
        assert cursor.fetchall() == [(TWO,)]
    reading.close()
    cursor_only.close()


def test_every_moment_of_a_write_shows_one_whole_publication(agency: Database) -> None:
    seen: list[tuple[str, list[tuple[object, ...]]]] = []
    before = agency.rows(COUNT)
    agency.publish(21, TWO)
    agency.write(progress=lambda line: seen.append((agency.publication(), agency.rows(COUNT))))
    assert len(seen) > 20
    assert set(map(str, seen)) == {str((ONE, before))}
    assert agency.publication() == TWO


def test_a_write_that_loses_its_connection_leaves_the_last_publication(agency: Database) -> None:
    before = agency.rows(COUNT)
    agency.publish(21, TWO)

    def cut(line: str) -> None:
        if line.startswith("kpi_values"):
            agency.rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'amkpi'")

    with pytest.raises(AmkpiError, match=r"^PostgreSQL: [^\n]+$"):
        agency.write(progress=cut)
    assert (agency.publication(), agency.rows(COUNT)) == (ONE, before)
    assert agency.write().is_new
    assert agency.publication() == TWO


def test_a_process_that_is_killed_while_it_writes_leaves_the_last_publication(agency: Database) -> None:
    before = agency.rows(COUNT)
    agency.publish(21, TWO)
    code = (
        "import os, sys; from pathlib import Path; from datetime import datetime, UTC;"
        " from amkpi.core.home import Home; from amkpi.core.settings import load_settings;"
        " from amkpi.core.publication_id import current_file; from amkpi.exports.postgres.write import write;"
        " home = Home.at(Path(sys.argv[1]));"
        " write(sys.argv[2], current_file(home), load_settings(home, {}), datetime.now(UTC),"
        " lambda line: line.startswith('kpi_values') and os.kill(os.getpid(), 9))"
    )
    arguments = [str(agency.home.root), agency.server.url(agency.name, "publisher")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert (agency.publication(), agency.rows(COUNT)) == (ONE, before)
    agency.write()
    assert agency.publication() == TWO


def test_a_change_of_structure_waits_for_readers_and_then_says_who_they_are(
    agency: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LOCK_SECONDS", 1)
    monkeypatch.setattr(writing.layout, "fingerprint", lambda tables: "of a later version")
    reader = psycopg2.connect(server.url(agency.name))
    with reader.cursor() as cursor:
        cursor.execute("select count(*) from marts.kpi_values")
        agency.publish(21, TWO)
        with pytest.raises(AmkpiError, match=rf"process {reader.info.backend_pid} of postgres.*run `amkpi publish`$"):
            agency.write()
        assert agency.publication() == ONE
    reader.close()
    assert agency.write().is_new


def test_what_an_analyst_builds_upon_the_marts_stays_unless_its_columns_go(
    agency: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency.rows("create schema workbench; create view workbench.mine as select kpi, value from marts.kpi_values")
    agency.publish(21, TWO)
    agency.write()
    assert agency.rows("select count(*) from workbench.mine") == agency.rows("select count(*) from marts.kpi_values")
    # A column more at the end, and then one that has another type.
    file = agency.publish(21, "00000000000000cc")
    with writing.duckdb.connect(str(file)) as connection:
        connection.execute("alter table marts.kpi_values add column later varchar default 'x'")
    agency.write()
    assert agency.rows("select distinct later from marts.kpi_values") == [("x",)]
    assert agency.rows("select count(*) from workbench.mine where value is not null") != [(0,)]
    file = agency.publish(21, "00000000000000dd")
    with writing.duckdb.connect(str(file)) as connection:
        connection.execute("alter table marts.kpi_values alter column value set data type varchar")
    with pytest.raises(AmkpiError, match=r"workbench\.mine depends on .*run `amkpi publish`$"):
        agency.write()
    assert agency.publication() == "00000000000000cc"
    agency.rows("drop view workbench.mine")
    agency.write()
    assert agency.rows("select distinct pg_typeof(value)::text from marts.kpi_values") == [("text",)]


def test_two_publications_are_not_written_at_once(
    agency: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LOCK_SECONDS", 1)
    other = server.open(agency.name)
    with other.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", [writing._ONE_WRITER])
        with pytest.raises(AmkpiError, match=rf"process {other.info.backend_pid} of postgres"):
            agency.write()
    other.close()


def test_tables_have_the_keys_of_the_marts_and_comments_in_both_languages(agency: Database) -> None:
    found = {
        (table, tuple(columns), kind == "p")
        for table, columns, kind in agency.rows(
            "select conrelid::regclass::text, (select array_agg(attname order by place)"
            " from unnest(conkey) with ordinality as part (number, place) join pg_attribute on attrelid = conrelid"
            " and attnum = number), contype from pg_constraint where connamespace = 'marts'::regnamespace"
            " and contype in ('p', 'u')"
        )
    }
    assert found == {(f"marts.{name}", key.columns, key.is_primary) for name, key in keys().items()}
    assert len(found) > 14
    for schema in ("marts", "marts_for_readers"):
        commented = agency.rows(
            "select relname::text, attname::text, description from pg_class"
            " join pg_description on objoid = pg_class.oid"
            " left join pg_attribute on attrelid = pg_class.oid and attnum = objsubid and objsubid > 0"
            " where relnamespace = %s::regnamespace and relkind in ('r', 'v')",
            schema,
        )
        expected = {key: text for key, text in comments().items() if schema == "marts" or key[0] != "scorecards_sent"}
        assert {(table, column): text for table, column, text in commented} == expected


def test_no_message_and_no_log_has_the_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for url in (
        "postgresql://user:hunter2@127.0.0.1:1/kpi",
        "postgresql://user:hunter2@127.0.0.1:hunter2/kpi",
        "postgresql://user:hunter2 @[/kpi",
        "host=127.0.0.1 port=1 password=hunter2",
        "password='hunter2",
    ):
        settings = load_settings(Home.at(Path("/nowhere")), {"AMKPI_POSTGRES_URL": url})
        assert "hunter2" not in repr(settings) + str(settings.model_dump(mode="json")) + caplog.text
        given = postgres_url(settings)
        assert given == url
        with pytest.raises(AmkpiError, match="postgres_url") as raised, connected(given):
            pass
        assert "hunter2" not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_the_address_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://user:p@host/kpi\n")
    settings = load_settings(Home.at(tmp_path), {"AMKPI_POSTGRES_URL_FILE": str(file)})
    assert postgres_url(settings) == "postgresql://user:p@host/kpi"
    file.write_text("")
    assert postgres_url(settings) is None, "an empty secret switches it off"
    with pytest.raises(AmkpiError, match="remove one of them"):
        postgres_url(load_settings(Home.at(tmp_path), {
            "AMKPI_POSTGRES_URL_FILE": str(file), "AMKPI_POSTGRES_URL": "postgresql://x"}))  # fmt: skip
    with pytest.raises(AmkpiError, match="cannot be read"):
        postgres_url(changed(settings, postgres_url_file=str(tmp_path / "none")))


def test_a_database_that_cannot_hold_every_letter_is_refused(server: Server) -> None:
    server.rows("postgres", "create database narrow template template0 encoding 'LATIN1' locale 'C'")
    with pytest.raises(AmkpiError, match="create it with the encoding UTF8"), connected(server.url("narrow")):
        pass
    server.rows("postgres", "drop database narrow")
