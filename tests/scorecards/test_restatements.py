"""Why a value of a closed period moved: one test a cause, on two publications and the rows behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from amkpi.core.run import Run
from amkpi.scorecards.mail.history import History, Sending
from amkpi.scorecards.model import SentValue
from amkpi.scorecards.restatements import Restatement, restatements
from tests.scorecards import agency

AUGUST = date(2026, 8, 1)
BEFORE, NOW = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
# contract_id, client_id, signed_date, amount, is_deleted, _delivery, _line, _reason
Row = tuple[str, str, str, float, bool, int, int, str | None]
Evidence = Sequence[tuple[str, float]]


def publication(run: Run, identity: str, evidence: Evidence, held: Sequence[tuple[str, int]] = ()) -> Path:
    """A publication whose August revenue of M1 is the sum of these contracts."""
    file = run.home.published / f"kpi_{identity}.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(agency.SCHEMA)
        connection.execute("set search_path = 'marts'")
        connection.execute("insert into load_ledger (file_name, extract, delivery) values ('a.csv', 'contracts', 1)")
        for contract, amount in evidence:
            connection.execute(
                "insert into kpi_evidence values"
                " ('client_revenue', 'M1', 'C1', ?, 'month', ?, 'contracts', ?, ?, null)",
                [AUGUST, AUGUST, contract, amount],
            )
        for name, line in held:
            connection.execute(
                "insert into quarantined_rows (extract, file_name, line_number) values ('contracts', ?, ?)",
                [name, line],
            )
        total = sum(amount for _, amount in evidence)
        for scope, staff_id in (("own", "M1"), ("company", None)):
            connection.execute(
                "insert into kpi_values (kpi, scope, staff_id, period_grain, period_start, value)"
                " values ('client_revenue', ?, ?, 'month', ?, ?)",
                [scope, staff_id, AUGUST, total],
            )
    return file


def restated(
    run: Run, before: Evidence, now: Evidence, rows: Sequence[Row], held: Sequence[tuple[str, int]] = ()
) -> list[Restatement]:
    """What is restated when M1 and the company were told `before` as of delivery 1."""
    publication(run, BEFORE, before, held)
    current = publication(run, NOW, now)
    run.home.current.symlink_to(current.name)
    with duckdb.connect(str(run.home.warehouse)) as connection:
        connection.execute("create schema parsed")
        connection.execute(
            "create table parsed.contracts (contract_id varchar, client_id varchar, signed_date date, amount double,"
            " is_deleted boolean, _delivery bigint, _line bigint, _reason varchar)"
        )
        connection.execute(
            "create table parsed.client_assignments (client_id varchar, is_deleted boolean, _delivery bigint,"
            " _line bigint, _reason varchar)"
        )
        connection.executemany(
            "insert into parsed.contracts values (?, ?, ?, ?, ?, ?, ?, ?)", [list(row) for row in rows]
        )
    total = sum(amount for _, amount in before)
    History(run.home.state).write(
        Sending(
            "month",
            "2026-08",
            "closed",
            "M1",
            "m1@agency.example",
            BEFORE,
            1,
            "v",
            "<m>",
            "sent",
            datetime(2026, 9, 5, tzinfo=UTC),
            "250",
            1,
            (
                SentValue("own", "M1", "client_revenue", "month", AUGUST, total),
                SentValue("company", None, "client_revenue", "month", AUGUST, total),
            ),
        )
    )
    with _with_warehouse(run, current) as connection:
        return restatements(run.home, connection)


def _with_warehouse(run: Run, file: Path) -> duckdb.DuckDBPyConnection:
    """The warehouse as it is before publishing: parsed rows and the new marts in one file."""
    connection = duckdb.connect(str(run.home.warehouse))
    connection.execute(f"attach '{file}' as published (read_only)")
    connection.execute("create schema if not exists marts")
    for table in ("kpi_values", "kpi_evidence"):
        connection.execute(f"create or replace table marts.{table} as from published.marts.{table}")
    connection.execute("detach published")
    return connection


@pytest.fixture
def empty(tmp_path: Path) -> Run:
    return agency.run_of(tmp_path)


FIRST: Row = ("HD1", "C1", "2026-08-03", 1e6, False, 1, 2, None)


def test_a_row_that_came_late(empty: Run) -> None:
    found = restated(
        empty,
        [("HD1", 1e6)],
        [("HD1", 1e6), ("HD2", 2e6)],
        [FIRST, ("HD2", "C1", "2026-08-09", 2e6, False, 2, 2, None)],
    )
    assert [(r.scope, r.staff_id, r.value_then, r.value_now, r.cause) for r in found] == [
        ("company", None, 1e6, 3e6, "late_rows"),
        ("own", "M1", 1e6, 3e6, "late_rows"),
    ]
    assert {(r.kpi, r.period_grain, r.period_start, r.told_publication_id) for r in found} == {
        ("client_revenue", "month", AUGUST, BEFORE)
    }


def test_a_row_that_was_corrected(empty: Run) -> None:
    found = restated(
        empty, [("HD1", 1e6)], [("HD1", 5e6)], [FIRST, ("HD1", "C1", "2026-08-03", 5e6, False, 2, 2, None)]
    )
    assert {r.cause for r in found} == {"corrected_rows"}


def test_a_row_that_was_deleted(empty: Run) -> None:
    found = restated(empty, [("HD1", 1e6)], [], [FIRST, ("HD1", "", "2026-08-03", 0, True, 2, 2, None)])
    assert {r.cause for r in found} == {"deleted_rows"}


def test_a_row_that_was_released_from_quarantine(empty: Run) -> None:
    held: Row = ("HD2", "C1", "2026-08-09", 2e6, False, 1, 7, None)
    found = restated(empty, [("HD1", 1e6)], [("HD1", 1e6), ("HD2", 2e6)], [FIRST, held], held=[("a.csv", 7)])
    assert {r.cause for r in found} == {"released_rows"}


def test_another_setting_or_version(empty: Run) -> None:
    found = restated(empty, [("HD1", 1e6)], [("HD1", 9e5)], [FIRST])
    assert {r.cause for r in found} == {"settings_or_version"}


def test_what_stands_as_it_was_told_is_no_restatement(empty: Run) -> None:
    assert restated(empty, [("HD1", 1e6)], [("HD1", 1e6)], [FIRST]) == []


def test_a_pruned_publication_still_leaves_what_the_rows_say(empty: Run) -> None:
    restated(empty, [("HD1", 1e6)], [("HD1", 5e6)], [FIRST, ("HD1", "C1", "2026-08-03", 5e6, False, 2, 2, None)])
    (empty.home.published / f"kpi_{BEFORE}.duckdb").unlink()
    with duckdb.connect(str(empty.home.warehouse)) as connection:
        assert {r.cause for r in restatements(empty.home, connection)} == {"corrected_rows"}


def test_without_the_publication_and_without_a_row_that_came_since_the_cause_is_unknown(empty: Run) -> None:
    restated(empty, [("HD1", 1e6)], [("HD1", 9e5)], [FIRST])
    (empty.home.published / f"kpi_{BEFORE}.duckdb").unlink()
    with duckdb.connect(str(empty.home.warehouse)) as connection:
        assert [(r.value_then, r.value_now, r.cause) for r in restatements(empty.home, connection)] == [
            (1e6, 9e5, "unknown"),
            (1e6, 9e5, "unknown"),
        ]
