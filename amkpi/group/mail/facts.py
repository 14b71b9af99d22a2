"""What the group's publication says of one period: what a mail is composed from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import Period
from amkpi.scorecards.facts import KpiValue, ScorecardLine

# Level and code: ("agency", "hanoi"), ("region", "North"), ("group", None).
Place = tuple[str, str | None]
GROUP: Place = ("group", None)


@dataclass(frozen=True)
class AgencyState:
    """A row of group_agencies. behind_since: its date, where that is far before the group's."""

    code: str
    name: str
    region: str
    is_missing: bool
    is_ahead: bool
    behind_since: date | None = None


@dataclass(frozen=True)
class Score:
    """A row of group_scorecards. score: as it is, not rounded."""

    score: float | None
    rating: str | None


@dataclass(frozen=True)
class GroupFacts:
    """One period of the group's publication. Values and lines by place and KPI."""

    publication_id: str
    group_name: str
    currency: str
    as_of: date
    published_at: datetime
    period: Period
    agencies: tuple[AgencyState, ...]
    values: dict[tuple[Place, str], KpiValue]
    lines: dict[tuple[Place, str], ScorecardLine]
    scores: dict[Place, Score]
    pipeline_version: str

    @property
    def is_provisional(self) -> bool:
        """Whether the period is not over on the date of the group."""
        return self.as_of < self.period.end


def read_facts(connection: duckdb.DuckDBPyConnection, grain: str, period: str | None) -> GroupFacts:
    """The facts of a period of the group's open publication.

    period: `2026-09`, `2026-Q3` or `2026`; the newest that is over when None. Raises AmkpiError.
    """
    (publication,) = _rows(connection, "from group_publication")
    chosen = _chosen(connection, grain, period)
    given = [chosen.grain, chosen.start]
    where = "where period_grain = ? and period_start = ?"
    values = {
        ((row["level"], row["code"]), row["kpi"]): KpiValue(
            row["value"], row["numerator"], row["denominator"], row["sample_size"], row["is_provisional"],
            row["null_reason"], row["undecided"],
        )
        for row in _rows(connection, f"from group_kpi_values {where}", given)
    }  # fmt: skip
    if not values:
        raise AmkpiError(f"--period {chosen.key}: the group has no figures of it")
    lines = {
        ((row["level"], row["code"]), row["kpi"]): ScorecardLine(
            row["target"], row["attainment"], row["weight"], row["change"], row["status"]
        )
        for row in _rows(connection, f"from group_scorecard_lines {where}", given)
    }
    scores = {
        (row["level"], row["code"]): Score(row["weighted_score"], row["rating"])
        for row in _rows(connection, f"from group_scorecards {where}", given)
    }
    return GroupFacts(
        publication_id=publication["publication_id"],
        group_name=publication["group_name"],
        currency=publication["reporting_currency"],
        as_of=publication["as_of"],
        published_at=publication["published_at"],
        period=chosen,
        agencies=tuple(
            AgencyState(
                row["agency"],
                row["name"],
                row["region"],
                row["is_missing"],
                row["is_ahead"],
                row["as_of"] if row["is_behind"] else None,
            )
            for row in _rows(connection, "from group_agencies order by agency")
        ),
        values=values,
        lines=lines,
        scores=scores,
        pipeline_version=publication["pipeline_version"],
    )


def _chosen(connection: duckdb.DuckDBPyConnection, grain: str, period: str | None) -> Period:
    if period is not None:
        return Period.parse(grain, period)
    found = connection.execute(
        "select period_start from group_kpi_values where level = 'group' and period_grain = ?"
        " order by is_provisional, period_start desc limit 1",
        [grain],
    ).fetchone()
    if found is None:
        raise AmkpiError(f"--grain {grain}: the group has no figures of it")
    return Period.starting(grain, found[0])


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, given: list[Any] | None = None) -> Iterator[dict[str, Any]]:
    result = connection.execute(sql, given)
    names = [column[0] for column in result.description or []]
    return (dict(zip(names, row, strict=True)) for row in result.fetchall())
