"""The sending history in HOME/state/: the intent before each try, the server's answer after it, and the figures sent.

It cannot be computed again, so it is kept in a SQLite file of its own when publications are pruned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from amkpi.core.storage.migrations.state_stores import SCORECARDS
from amkpi.scorecards.model import Figure, SentFigure

# intended: about to be handed to the server. sent: the server accepted it. deferred: certainly not accepted, is tried
# again. refused: the server never accepts it. uncertain: interrupted between intent and answer; only a person may send
# it again.
State = Literal["intended", "sent", "deferred", "refused", "uncertain"]


@dataclass(frozen=True)
class Sending:
    """One scorecard for one person: the newest try. edition: which of the period's scorecards (`edition`).

    as_of, settings: of the publication; None in the records of version 0.1.0.
    """

    grain: str
    period: str
    edition: str
    staff_id: str
    address: str
    publication_id: str
    delivery: int
    pipeline_version: str
    message_id: str
    state: State
    at: datetime
    answer: str
    tries: int
    figures: tuple[SentFigure, ...]
    as_of: date | None = None
    settings: str | None = None


def edition(is_provisional: bool, as_of: date) -> str:
    """Which of a period's scorecards this is: one for each week while the period runs, one when it is closed.

    Nobody is sent the same edition twice.
    """
    if not is_provisional:
        return "closed"
    year, week, _ = as_of.isocalendar()
    return f"{year}-W{week:02}"


_KEY = ("grain", "period", "edition", "staff_id")
# The column of `figures` keeps the name that version 0.1.0 gave it.
_COLUMN_OF = {field.name: field.name for field in fields(Sending)} | {"figures": "told"}
_COLUMNS = ", ".join(_COLUMN_OF.values())


class History:
    """The sending history of one agency; created when needed. Each write is on disk when the call returns."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def write(self, sending: Sending) -> None:
        """Store the newest try of a sending."""
        row = {field.name: getattr(sending, field.name) for field in fields(Sending)} | {
            "at": sending.at.isoformat(),
            "as_of": sending.as_of.isoformat() if sending.as_of else None,
            "figures": json.dumps(
                [[*key, cells] for key, cells in _lines(sending.figures).items()],
                ensure_ascii=False,
                separators=(",", ":"),
            ),
        }
        places = ", ".join(f":{field.name}" for field in fields(Sending))
        with SCORECARDS.open(self._state) as connection:
            connection.execute(f"insert or replace into sendings ({_COLUMNS}) values ({places})", row)

    def read(self) -> tuple[Sending, ...]:
        """All sendings in the order of their times."""
        query = f"select {_COLUMNS} from sendings order by at, {', '.join(_KEY)}"
        return tuple(SCORECARDS.read(self._state, query, _sending))

    def operator_knows(self, digest: str) -> bool:
        """Whether the operator was sent this note before."""
        with SCORECARDS.open(self._state) as connection:
            found = connection.execute("select 1 from operator_notes where digest = ?", [digest]).fetchone()
        return found is not None

    def note_for_operator(self, digest: str) -> None:
        """Record that the operator was sent this note."""
        with SCORECARDS.open(self._state) as connection:
            connection.execute("insert or ignore into operator_notes (digest) values (?)", [digest])


@dataclass(frozen=True)
class SentRow:
    """A row of `marts.scorecards_sent`; values_sent is JSON: an entry for each KPI or scorecard, with its figures."""

    grain: str
    period: str
    staff_id: str
    publication_id: str
    state: str
    at: datetime
    message_id: str
    values_sent: str


def scorecards_sent(state: Path) -> list[SentRow]:
    """The rows of `marts.scorecards_sent`: every scorecard that was sent, or tried, with its figures."""
    return [
        SentRow(
            sending.grain, sending.period, sending.staff_id, sending.publication_id, sending.state, sending.at,
            sending.message_id,
            json.dumps(
                [
                    {"kpi": kpi, "scope": scope, "staff_id": staff_id, "period_grain": grain, "period_start": start,
                     **cells}
                    for (scope, staff_id, kpi, grain, start), cells in _lines(sending.figures).items()
                ],
                ensure_ascii=False,
            ),
        )
        for sending in History(state).read()
    ]  # fmt: skip


class FigureKey(NamedTuple):
    """Which figure: that of a KPI or, without one, of a scorecard."""

    scope: str
    staff_id: str | None
    kpi: str | None
    grain: str
    period_start: date
    what: str


@dataclass(frozen=True)
class LastSent:
    """A figure as the last mail reported it, and the publication of that mail. as_of: its date, or the mail's."""

    figure: Figure
    publication_id: str
    delivery: int
    pipeline_version: str
    as_of: date
    settings: str | None
    at: datetime


def last_sent_figures(sendings: Sequence[Sending], staff_id: str | None = None) -> Mapping[FigureKey, LastSent]:
    """The last report of each figure to this reader or, without a staff_id, to anybody.

    Mails that a server accepted count, and uncertain ones: the reader may have them.
    """
    found: dict[FigureKey, LastSent] = {}
    for sending in sendings:
        if sending.state not in ("sent", "uncertain") or (staff_id is not None and sending.staff_id != staff_id):
            continue
        for sent in sending.figures:
            key = FigureKey(sent.scope, sent.staff_id, sent.kpi, sent.grain, sent.period_start, sent.what)
            found[key] = LastSent(
                sent.figure, sending.publication_id, sending.delivery, sending.pipeline_version,
                sending.as_of or sending.at.date(), sending.settings, sending.at,
            )  # fmt: skip
    return found


_Line = tuple[str, str | None, str | None, str, str]  # scope, staff_id, kpi, grain, period_start


def _lines(figures: Sequence[SentFigure]) -> dict[_Line, dict[str, Figure]]:
    """The figures of each KPI or scorecard by their names."""
    found: dict[_Line, dict[str, Figure]] = {}
    for each in figures:
        key = (each.scope, each.staff_id, each.kpi, each.grain, each.period_start.isoformat())
        found.setdefault(key, {})[each.what] = each.figure
    return found


def _sending(*row: object) -> Sending:
    values = dict(zip((field.name for field in fields(Sending)), row, strict=True))
    figures = tuple(
        SentFigure(scope, staff_id, kpi, grain, date.fromisoformat(start), what, figure)
        for scope, staff_id, kpi, grain, start, cells in json.loads(str(values["figures"]))
        for what, figure in cells.items()
    )
    values["at"] = datetime.fromisoformat(str(values["at"]))
    values["as_of"] = date.fromisoformat(str(values["as_of"])) if values["as_of"] else None
    return Sending(**(values | {"figures": figures}))  # type: ignore[arg-type]
