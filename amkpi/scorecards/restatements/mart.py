"""The rows of `marts.restatements`: figures of the last mail, or of a reopened closing, that readers see otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

import duckdb

from amkpi.core.home import Home
from amkpi.core.storage import closing_register
from amkpi.publishing.closing import files
from amkpi.publishing.first_seen import first_seen
from amkpi.publishing.publication_file import as_readers_see
from amkpi.scorecards.mail.history import FigureKey, History, LastSent, last_sent_figures
from amkpi.scorecards.restatements.causes import REOPENED, CauseFinder
from amkpi.scorecards.restatements.lines import RestatedLine, current_figures, periods_of, restated_lines


@dataclass(frozen=True)
class Restatement:
    """A row of `marts.restatements`. told_publication_id: of the mail, or of a reopened closing that nobody mailed."""

    kpi: str | None
    scope: str
    staff_id: str | None
    period_grain: str
    period_start: date
    value_then: float | None
    value_now: float | None
    cause: str
    told_publication_id: str
    what: str
    rating_then: str | None
    rating_now: str | None
    mailed_at: datetime | None
    first_seen_at: datetime

    @property
    def key(self) -> str:
        """Which restatement it is, for as long as there is one."""
        return json.dumps(
            [self.period_grain, self.period_start.isoformat(), self.scope, self.staff_id, self.kpi, self.what]
        )


def restatements(
    home: Home, connection: duckdb.DuckDBPyConnection, as_of: date, moment: datetime, keep: bool
) -> list[Restatement]:
    """The rows for the build in the warehouse that is being published; the rows of closings are filled.

    moment: of the publication. keep: it is no historical one, so that new restatements are remembered as first seen.
    """
    sent = last_sent_figures(History(home.state).read())
    closed = _reopened_figures(home, connection, as_of)
    seen = {
        name: f"({as_readers_see(mart, f'marts.{mart}')})"
        for name, mart in (("values", "kpi_values"), ("lines", "scorecard_lines"), ("scores", "scorecards"))
    }
    now = current_figures(connection, periods_of([*sent, *closed]), **seen) if sent or closed else {}
    lines = restated_lines(sent, now)
    find = CauseFinder(home, connection)
    found = {row.key: row for line in lines for row in _rows(line, str(find.of(line, lines)), moment)}
    for line in restated_lines(closed, now):
        for row in _rows(line, REOPENED, moment):
            mailed = found.get(row.key)
            found[row.key] = replace(row, mailed_at=mailed.mailed_at if mailed else None)
    dated = first_seen(home.state, "restatement", found, moment, keep)
    return [replace(row, first_seen_at=dated[key]) for key, row in sorted(found.items())]


def _rows(line: RestatedLine, cause: str, moment: datetime) -> Iterator[Restatement]:
    for what in line.reported:
        then, now = line.then[what], line.now[what]
        is_text = what == "rating"
        yield Restatement(
            line.kpi, line.scope, line.staff_id, line.grain, line.period_start,
            None if is_text else then.figure, None if is_text else now,  # type: ignore[arg-type]
            cause, then.publication_id, what,
            then.figure if is_text else None, now if is_text else None,  # type: ignore[arg-type]
            then.at, moment,
        )  # fmt: skip


def _reopened_figures(home: Home, connection: duckdb.DuckDBPyConnection, as_of: date) -> Mapping[FigureKey, LastSent]:
    """The figures of the periods that are reopened and not closed again, from their newest closing."""
    register = closing_register.read(home)
    closed = {each for act in register.in_force(as_of) for each in act.periods}
    found: dict[FigureKey, LastSent] = {}
    for act in register.acts:
        periods = {(each.grain, each.start) for each in act.periods if each not in closed}
        if register.reopening(act.n) is None or not periods or act.as_of > as_of:
            continue
        with files.attached(connection, act.file(home), "one_closing"):
            figures = current_figures(
                connection, periods, "one_closing.kpi_values", "one_closing.scorecard_lines", "one_closing.scorecards"
            )
        for key, figure in figures.items():
            found[key] = LastSent(
                figure, act.publication_id, act.delivery, act.pipeline_version, act.as_of, None, act.at
            )
    return found
