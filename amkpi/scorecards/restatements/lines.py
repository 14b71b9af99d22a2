"""The figures that a mail reported and readers see otherwise now, by KPI or scorecard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from amkpi.publishing.closing.sums import PRIVATE
from amkpi.scorecards.mail.history import FigureKey, LastSent
from amkpi.scorecards.model import Figure

# Not `weight`: no mail shows it. It is remembered because it moves scores.
REPORTED = ("value", "target", "attainment", "score", "rating")


@dataclass(frozen=True)
class RestatedLine:
    """A KPI of a person, team or the company in one period, or the scorecard without a kpi, of which figures differ.

    then: every figure as it was last sent. now: the same as readers see it. differing: the names of those that differ;
    what is not in `REPORTED` is among them too.
    """

    scope: str
    staff_id: str | None
    kpi: str | None
    grain: str
    period_start: date
    then: Mapping[str, LastSent]
    now: Mapping[str, Figure]
    differing: tuple[str, ...]

    @property
    def reported(self) -> tuple[str, ...]:
        """The names of the differing figures that are restatements."""
        return tuple(what for what in REPORTED if what in self.differing)

    @property
    def last(self) -> LastSent:
        """The oldest of the reports that differ now: what came after it may be the cause."""
        return min((self.then[what] for what in self.differing), key=lambda each: each.at)


def periods_of(figures: Iterable[FigureKey]) -> set[tuple[str, date]]:
    """The grains and first days of the periods."""
    return {(key.grain, key.period_start) for key in figures}


def current_figures(
    connection: duckdb.DuckDBPyConnection,
    periods: set[tuple[str, date]],
    values: str = "marts.kpi_values",
    lines: str = "marts.scorecard_lines",
    scores: str = "marts.scorecards",
) -> dict[FigureKey, Figure]:
    """The figures of these periods. values, lines, scores: relations with what readers see, shaped as these marts."""
    grains, starts = [grain for grain, _ in periods], [start for _, start in periods]
    wanted = "(select unnest(?::varchar[]) as period_grain, unnest(?::date[]) as period_start)"
    found: dict[FigureKey, Figure] = {}
    for relation, kpi, whats in (
        (values, "kpi", {"value": "value"}),
        (lines, "kpi", {"target": "target", "attainment": "attainment", "weight": "weight"}),
        (scores, "null", {"score": "weighted_score", "rating": "rating"}),
    ):
        rows = connection.execute(
            f"select scope, staff_id, {kpi}, period_grain, period_start, {', '.join(whats.values())}"
            f" from {relation} as readers semi join {wanted} as wanted using (period_grain, period_start)",
            [grains, starts],
        ).fetchall()
        for scope, staff_id, name, grain, start, *figures in rows:
            for what, figure in zip(whats, figures, strict=True):
                found[FigureKey(scope, staff_id, name, grain, start, what)] = figure
    return found


def restated_lines(then: Mapping[FigureKey, LastSent], now: Mapping[FigureKey, Figure]) -> list[RestatedLine]:
    """Each KPI and scorecard of which a reported figure differs; not the private KPI, and no score that it moved."""
    lines: dict[tuple[str, str | None, str | None, str, date], dict[str, LastSent]] = {}
    for key, sent in then.items():
        lines.setdefault(key[:5], {})[key.what] = sent
    found = []
    for line, figures in lines.items():
        seen = {what: now.get(FigureKey(*line, what)) for what in figures}
        differing = tuple(what for what in figures if differs(figures[what].figure, seen[what]))
        if differing:
            found.append(RestatedLine(*line, figures, seen, differing))
    moved_kpis: dict[tuple[str, str | None, str, date], set[str]] = {}
    for each in found:
        if each.kpi is not None:
            moved_kpis.setdefault(scorecard_of(each), set()).add(each.kpi)
    return [
        each
        for each in found
        if each.reported
        and each.kpi != PRIVATE
        # Of a score that moved with the private KPI alone, the difference would reveal what the last reviewer said.
        and not (each.kpi is None and moved_kpis.get(scorecard_of(each)) == {PRIVATE})
    ]


def scorecard_of(line: RestatedLine) -> tuple[str, str | None, str, date]:
    """Whose scorecard of which period the line is in."""
    return (line.scope, line.staff_id, line.grain, line.period_start)


def differs(then: Figure, now: Figure) -> bool:
    """Whether a figure changed by more than the rounding error of adding floats in another order."""
    if isinstance(then, (int, float)) and isinstance(now, (int, float)):
        return abs(then - now) > 1e-9 * max(1.0, abs(then), abs(now))
    return then != now
