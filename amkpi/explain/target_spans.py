"""How the target of a value came about: spans of counted days, each with the row of the targets in force on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb


@dataclass(frozen=True)
class TargetSpan:
    """Counted days from first_day to last_day, both included, on which one row of the targets is in force.

    grain: the period's grain if the row is for it, None for a row for any grain. staff_id, role: whose row it is; both
    None for the company's. valid_from is None, with all that follows, where no row is in force. unit_days: how many
    days the period or month has for which a target is that grows with the days; None for other KPIs. share: what the
    days add to the target of the period, in its unit; None where they have no target.
    """

    first_day: date
    last_day: date
    days: int
    grain: str | None
    staff_id: str | None
    role: str | None
    valid_from: date | None
    target: float | None
    weight: float | None
    unit_days: int | None
    share: float | None


def read_target_spans(
    connection: duckdb.DuckDBPyConnection,
    internal: str,
    kpi: str,
    scope: str,
    staff_id: str | None,
    grain: str,
    start: date,
) -> tuple[TargetSpan, ...]:
    """The spans of one line of a scorecard, in the order of the days. internal: the schema of what is not public."""
    lines = connection.execute(
        f"select people.subject_id, people.period_id, catalogue.kpi_number from {internal}.int_scope_members as people"
        f" cross join {internal}.int_kpi_catalogue as catalogue"
        " where catalogue.kpi = ? and people.scope = ? and people.person_key = ? and people.period_grain = ?"
        " and people.period_start = ?",
        [kpi, scope, staff_id or "", grain, start],
    ).fetchall()
    return read_spans_of(connection, internal, *lines[0]) if lines else ()


def read_spans_of(
    connection: duckdb.DuckDBPyConnection, internal: str, subject_id: int, period_id: int, kpi_number: int
) -> tuple[TargetSpan, ...]:
    """The same by the numbers under which the spans are kept."""
    rows = connection.execute(
        "select first_day, last_day, days, target_grain, target_staff_id, target_role, valid_from, target, weight,"
        f" unit_days from {internal}.int_target_spans where subject_id = ? and period_id = ? and kpi_number = ?"
        " order by first_day",
        [subject_id, period_id, kpi_number],
    ).fetchall()
    return _with_shares(rows)


def _with_shares(
    rows: Sequence[tuple[Any, ...]],
) -> tuple[TargetSpan, ...]:
    """Of a target that grows with the days its part by days; of another what it adds to the mean."""
    days_with_target = sum(row[2] for row in rows if row[7] is not None and row[7] > 0)
    spans = []
    for row in rows:
        days, target, unit_days = row[2], row[7], row[9]
        has_target = target is not None and target > 0
        share = target * days / (unit_days or days_with_target) if has_target else None
        spans.append(TargetSpan(*[*row, share]))
    return tuple(spans)
