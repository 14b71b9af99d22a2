"""The audit history: what it records, and what the next audit reads from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.findings import Finding
from amkpi.core.publication_id import published_file
from amkpi.core.storage.warehouse import connect
from amkpi.expectations import history
from amkpi.expectations.context import AuditContext
from amkpi.ingestion.tables import create_tables
from amkpi.pipeline import steps
from tests.conftest import AS_OF, Agency
from tests.expectations.findings import BLOCKED, HOSTILE, PASSED, WARNED
from tests.expectations.raw.faults import INTO_LEDGER

MOMENT = datetime(2026, 10, 17, 19, 5, tzinfo=UTC)  # 18/10/2026 02:05 in Vietnam
CONTEXT = AuditContext(AS_OF, MOMENT)


@pytest.fixture
def loaded(agency: Agency) -> Agency:
    """An agency with three load runs in the ledger, without a build."""
    with connect(agency.home, agency.run.settings) as connection:
        create_tables(connection)
        connection.execute(
            f"{INTO_LEDGER} select range, range, 'a.csv', 'clients', null, 'x', 1, 'loaded', null, 1,"
            " timestamptz '2026-10-17 18:00:00+00', true from range(1, 4)"
        )
    return agency


def record(agency: Agency, *findings: Finding, days: int = 0, identity: str = "a" * 16) -> tuple[Finding, ...]:
    context = replace(CONTEXT, moment=MOMENT + timedelta(days=days))
    return history.record(agency.home, agency.run.settings, identity, context, findings)[0]


PUBLISHED = """
create schema internal;
create table internal.int_kpi_values (subject_id integer, period_id integer, kpi_number integer, value double);
create table internal.int_scope_members (subject_id integer, period_id integer, scope varchar, person_key varchar,
    period_grain varchar, period_start date, is_provisional boolean);
create table internal.int_kpi_catalogue (kpi_number integer, kpi varchar);
create table internal.int_period_months (period_id integer);
"""


def publication(agency: Agency, identity: str, as_of: date, schema: str = "internal") -> Path:
    """A published file with the tables that the context of an audit reads, without rows."""
    path = published_file(agency.home, identity)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create schema marts; create table marts.publication as select date '{as_of}' as as_of")
        connection.execute(PUBLISHED.replace("internal", schema))
    return path


def test_a_failure_is_dated_from_the_first_audit_of_its_series(loaded: Agency) -> None:
    sound = replace(WARNED, success=True)
    assert record(loaded, WARNED, days=0)[0].since == MOMENT
    assert record(loaded, sound, days=1)[0].since is None
    assert record(loaded, WARNED, days=2)[0].since == MOMENT + timedelta(days=2)
    assert record(loaded, WARNED, days=3)[0].since == MOMENT + timedelta(days=2)
    # An audit in between that does not contain the expectation does not end the series.
    record(loaded, PASSED, days=4)
    found = record(loaded, WARNED, BLOCKED, days=5)
    assert [finding.since for finding in found] == [MOMENT + timedelta(days=2), MOMENT + timedelta(days=5)]
    assert str(found[0].since) == "2026-10-20 02:05:00+07:00"


def test_only_runs_that_no_audit_has_checked_are_new(loaded: Agency) -> None:
    def seen() -> int | None:
        return history.audit_context(loaded.home, loaded.run.settings, AS_OF, MOMENT).seen_run

    assert seen() == 0
    record(loaded, PASSED)
    assert seen() == 0  # the same runs again: they are still the newest
    with connect(loaded.home, loaded.run.settings) as connection:
        connection.execute("insert into raw.ledger select * replace (4 as delivery, 4 as run) from raw.ledger limit 1")
    assert seen() == 3


def compared_with(agency: Agency, as_of: date = AS_OF) -> Path | None:
    return history.audit_context(agency.home, agency.run.settings, as_of, MOMENT).published


def test_the_current_publication_is_compared_whatever_its_date(loaded: Agency) -> None:
    assert compared_with(loaded) is None
    publication(loaded, "1" * 16, AS_OF)
    record(loaded, PASSED, identity="1" * 16)
    current = publication(loaded, "2" * 16, AS_OF - timedelta(days=3))
    loaded.home.current.symlink_to(current.name)
    assert compared_with(loaded) == current
    assert compared_with(loaded, AS_OF + timedelta(days=40)) == current


@pytest.mark.parametrize("schema", ["internal", "intermediate"])
def test_a_publication_of_before_is_compared_by_its_own_names(loaded: Agency, schema: str) -> None:
    loaded.home.current.symlink_to(publication(loaded, "1" * 16, AS_OF, schema).name)
    context = history.audit_context(loaded.home, loaded.run.settings, AS_OF, MOMENT)
    assert (context.published_schema, context.members_table) == (schema, "int_scope_members")


@pytest.mark.slow
def test_a_historical_publication_is_compared_with_the_latest_that_is_not_younger(loaded: Agency) -> None:
    for identity, days in (("1", 9), ("2", 5), ("3", 2)):
        publication(loaded, identity * 16, AS_OF - timedelta(days=days))
        context = replace(CONTEXT, as_of=AS_OF - timedelta(days=days))
        history.record(loaded.home, loaded.run.settings, identity * 16, context, [PASSED])
    current = publication(loaded, "4" * 16, AS_OF)
    loaded.home.current.symlink_to(current.name)
    assert compared_with(loaded, AS_OF - timedelta(days=4)) == published_file(loaded.home, "2" * 16)
    assert compared_with(loaded, AS_OF - timedelta(days=10)) is None


def test_a_publication_that_lacks_what_is_compared_is_passed_over(loaded: Agency) -> None:
    older = publication(loaded, "1" * 16, AS_OF - timedelta(days=1))
    record(loaded, PASSED, identity="1" * 16)
    current = publication(loaded, "2" * 16, AS_OF)
    loaded.home.current.symlink_to(current.name)
    with duckdb.connect(str(current)) as connection:
        connection.execute("alter table internal.int_kpi_values drop column value")
    assert compared_with(loaded) == older


def test_a_broken_publication_is_not_compared(loaded: Agency) -> None:
    file = published_file(loaded.home, "3" * 16)
    file.write_text("no database")
    loaded.home.current.symlink_to(file.name)
    assert history.audit_context(loaded.home, loaded.run.settings, AS_OF, MOMENT).published is None


def test_a_broken_store_is_reported_in_one_line(loaded: Agency) -> None:
    (loaded.home.state / "audits.sqlite").write_text("no database, and long enough to be taken for one" * 30)
    with pytest.raises(AmkpiError, match=r"audits\.sqlite cannot be used: .*; `amkpi restore BACKUP --only audits"):
        history.audit_context(loaded.home, loaded.run.settings, AS_OF, MOMENT)


def test_the_last_audit_has_its_result_and_page(loaded: Agency) -> None:
    assert history.last_audit(loaded.home) is None
    record(loaded, WARNED, BLOCKED)
    last = history.last_audit(loaded.home)
    assert last is not None
    assert (last.passed, last.warnings, last.as_of, last.moment) == (False, 1, AS_OF, MOMENT)
    assert (loaded.home.audits / last.page).is_file()


def test_an_error_while_the_page_is_written_records_nothing(loaded: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(page: Path, text: str) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(history, "write_page", full)
    with pytest.raises(OSError, match="No space"):
        record(loaded, WARNED)
    with sqlite3.connect(loaded.home.state / "audits.sqlite") as connection:
        assert connection.execute("select count(*) from audits").fetchall() == [(0,)]


def test_since_survives_a_new_name_of_the_table(loaded: Agency) -> None:
    record(loaded, replace(BLOCKED, table_name="judged.quarantine"), days=0)
    assert record(loaded, BLOCKED, days=1)[0].since == MOMENT


def test_each_audit_has_a_page_and_the_newest_ones_stay(loaded: Agency) -> None:
    loaded.set(keep_audit_pages=2)
    for number in range(3):
        record(loaded, PASSED, days=number, identity=str(number) * 16)
    names = sorted(path.name for path in loaded.home.audits.iterdir())
    assert names == [f"audit_2026-10-17_{'1' * 16}.html", f"audit_2026-10-17_{'2' * 16}.html", "latest.html"]
    assert (loaded.home.audits / "latest.html").readlink() == Path(names[1])


@pytest.mark.slow
def test_a_blocked_step_writes_its_page_and_the_next_one_reports_since_when(
    make_agency: Callable[..., Agency], capsys: pytest.CaptureFixture[str]
) -> None:
    from amkpi.pipeline.status import read_status, show_status

    agency = make_agency()
    agency.set(min_rows_for_share=4)
    bad = "client_id,client_name\n" + "".join(f"C{number},\n" for number in range(3)) + f"C9,{HOSTILE}\n"
    agency.load({"clients/clients.csv": bad.replace('"', "")})
    agency.build()
    first = agency.moment
    with pytest.raises(AuditBlocked, match=r"\(see .*audit_2026-10-17_[0-9a-f]{16}\.html\)") as blocked:
        steps.audit(agency.run)
    assert {finding.since for finding in blocked.value.findings} == {first}
    page = (agency.home.audits / "latest.html").read_text(encoding="utf-8")
    assert "Blocked: nothing new is published" in page
    assert "clients/clients.csv line 2 as clients: missing_required in client_name" in page
    show_status(read_status(agency.run))
    assert "audit       blocked publication" in capsys.readouterr().out

    agency.moment += timedelta(days=1)
    agency.set(max_quarantined_share=1.0)
    agency.build()
    report = steps.audit(agency.run)
    since = {finding.expectation: finding.since for finding in report.warnings}
    assert since["hardly_any_rows_are_quarantined"] == first
    assert report.page is not None
    file = steps.publish(agency.run).file
    with duckdb.connect(str(file), read_only=True) as connection:
        published = connection.execute(
            "select since, advice <> '', rows_concerned from marts.quality_results"
            " where expectation = 'hardly_any_rows_are_quarantined'"
        ).fetchall()
    assert published[0][:2] == (first, True)
    assert published[0][2].startswith('["clients/clients.csv line 2 as clients')
