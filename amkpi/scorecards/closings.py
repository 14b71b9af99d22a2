"""What the marts say of closings: who closed the period of a mail, and what was learned of closed periods since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from amkpi.core.language.periods import Period


@dataclass(frozen=True)
class PeriodClosing:
    """Who closed the period, when, and with the data up to which day."""

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


def read_closings(connection: duckdb.DuckDBPyConnection, period: Period) -> Closings:
    """Read what the open publication has for a mail of this period."""
    found = connection.execute(
        "select closed_by, closed_at, as_of from closings"
        " where period_grain = ? and period_start = ? and reopened_at is null order by n desc limit 1",
        [period.grain, period.start],
    ).fetchone()
    closing = PeriodClosing(*found) if found else None
    wanted = "period_start = ?" if closing else "carried_to is null and period_start <> ?"
    where = [period.grain, period.start]
    adjustments = tuple(
        Adjustment(kpi, scope, staff_id, start, numerator, denominator, fresh, _causes(cause), carried_to,
                   _records(connection, period.grain, kpi, scope, staff_id, start, carried_to))
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
    carried_to: date | None,
) -> tuple[tuple[str | None, str | None], ...]:  # fmt: skip
    """The records of an adjustment, the largest first; those of a team are of everyone who was under its leader."""
    team = "select staff_id from intermediate.int_management_chain where manager_id = $staff and not is_loop"
    whose = {"own": "staff_id = $staff", "team": f"(staff_id = $staff or staff_id in ({team}))"}.get(scope)
    given = {"grain": grain, "kpi": kpi, "start": start, "carried": carried_to}
    rows = connection.execute(
        "select client_id, source_id, max(greatest(abs(coalesce(numerator, 0)), abs(coalesce(denominator, 0)))) as size"
        " from adjustment_evidence where period_grain = $grain and kpi = $kpi and period_start = $start"
        f" and carried_to is not distinct from $carried {f'and {whose}' if whose else ''}"
        " group by client_id, source_id order by size desc, client_id, source_id",
        given | ({"staff": staff_id} if whose else {}),
    ).fetchall()
    return tuple((client_id, source_id) for client_id, source_id, _ in rows)
