"""What the marts say of closings: who closed the period of a mail, and what was learned of closed periods since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from amkpi.access.names import Names
from amkpi.core.language.periods import Period


@dataclass(frozen=True)
class PeriodClosing:
    """Who closed the period, when, and with the data up to which day. n: the number of the act."""

    n: int
    closed_by: str
    closed_at: datetime
    as_of: date


@dataclass(frozen=True)
class Adjustment:
    """A row of `marts.adjustments`, as floats, with the records on either side of it: client_id and source_id."""

    kpi: str
    scope: str
    staff_id: str | None
    period_start: date
    numerator: float
    denominator: float
    fresh_value: float | None
    causes: tuple[str, ...]
    carried_to: date | None
    records: tuple[tuple[str | None, str | None], ...]


@dataclass(frozen=True)
class AdjustedScore:
    """A row of `marts.adjusted_scores`."""

    scope: str
    staff_id: str | None
    period_start: date
    closed_score: float | None
    closed_rating: str | None
    fresh_score: float | None
    fresh_rating: str | None
    causes: tuple[str, ...]


@dataclass(frozen=True)
class Closings:
    """What a mail of one period shows of closings.

    closing: None while the period is open. adjustments, scores: of the closed period itself; of an open period, what
    its closing would take up, and the scores of the same periods.
    """

    closing: PeriodClosing | None
    adjustments: tuple[Adjustment, ...]
    scores: tuple[AdjustedScore, ...]


def read_closing(connection: duckdb.DuckDBPyConnection, period: Period) -> PeriodClosing | None:
    """The closing of the period that is in force, by the open publication; None while it is open."""
    found = connection.execute(
        "select n, closed_by, closed_at, as_of from closings"
        " where period_grain = ? and period_start = ? and reopened_at is null order by n desc limit 1",
        [period.grain, period.start],
    ).fetchone()
    return PeriodClosing(*found) if found else None


def read_closings(
    connection: duckdb.DuckDBPyConnection, period: Period, closing: PeriodClosing | None, names: Sequence[Names]
) -> Closings:
    """Read what the open publication has for a mail of this period.

    closing: of the period itself. names: of today, and of the day of the closing; a team's records are of both teams.
    """
    wanted = "period_start = ?" if closing else "carried_to is null and period_start <> ?"
    where = [period.grain, period.start]
    adjustments = tuple(
        Adjustment(kpi, scope, staff_id, start, numerator, denominator, fresh, _causes(cause), carried_to,
                   _records(connection, period.grain, kpi, scope, staff_id, start, carried_to, names))
        for kpi, scope, staff_id, start, numerator, denominator, fresh, cause, carried_to in connection.execute(
            "select kpi, scope, staff_id, period_start, numerator::double, denominator::double, fresh_value, cause,"
            f" carried_to from adjustments where period_grain = ? and {wanted} order by all",
            where,
        ).fetchall()
    )  # fmt: skip
    scores = tuple(
        AdjustedScore(scope, staff_id, start, score, rating, fresh_score, fresh_rating, _causes(cause))
        for scope, staff_id, start, score, rating, fresh_score, fresh_rating, cause in connection.execute(
            "select scope, staff_id, period_start, closed_score, closed_rating, fresh_score, fresh_rating, cause"
            f" from adjusted_scores where period_grain = ? and period_start {'=' if closing else '<>'} ? order by all",
            where,
        ).fetchall()
    )
    return Closings(closing, adjustments, scores)


def _causes(joined: str | None) -> tuple[str, ...]:
    return tuple(joined.split(",")) if joined else ("unknown",)


def _records(
    connection: duckdb.DuckDBPyConnection, grain: str, kpi: str, scope: str, staff_id: str | None, start: date,
    carried_to: date | None, names: Sequence[Names],
) -> tuple[tuple[str | None, str | None], ...]:  # fmt: skip
    """The records of an adjustment, the largest first; those of a team are of everyone who was under its leader."""
    people = {staff_id}
    if scope == "team":
        people |= {person for each in names for person in each.under(staff_id)}
    rows = connection.execute(
        "select client_id, source_id, max(greatest(abs(coalesce(numerator, 0)), abs(coalesce(denominator, 0)))) as size"
        " from adjustment_evidence where period_grain = $grain and kpi = $kpi and period_start = $start"
        " and carried_to is not distinct from $carried"
        " and ($scope = 'company' or list_contains($people::varchar[], staff_id))"
        " group by client_id, source_id order by size desc, client_id, source_id",
        {"grain": grain, "kpi": kpi, "start": start, "carried": carried_to, "scope": scope,
         "people": sorted(str(person) for person in people)},
    ).fetchall()  # fmt: skip
    return tuple((client_id, source_id) for client_id, source_id, _ in rows)
