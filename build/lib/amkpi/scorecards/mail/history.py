"""The sending history in HOME/state/: the intent before each try, the server's answer after it, and the values sent.

It cannot be computed again, so it is kept in a SQLite file of its own when publications are pruned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from amkpi.core.storage.migrations.state_stores import SCORECARDS
from amkpi.scorecards.model import SentValue

# intended: about to be handed to the server. sent: the server accepted it. deferred: certainly not accepted, is tried
# again. refused: the server never accepts it. uncertain: interrupted between intent and answer; only a person may send
# it again.
State = Literal["intended", "sent", "deferred", "refused", "uncertain"]


@dataclass(frozen=True)
class Sending:
    """One scorecard for one person: the newest try. edition: which of the period's scorecards (`edition`)."""

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
    values: tuple[SentValue, ...]


def edition(is_provisional: bool, as_of: date) -> str:
    """Which of a period's scorecards this is: one for each week while the period runs, one when it is closed.

    Nobody is sent the same edition twice.
    """
    if not is_provisional:
        return "closed"
    year, week, _ = as_of.isocalendar()
    return f"{year}-W{week:02}"


_KEY = ("grain", "period", "edition", "staff_id")
# The column of `values` keeps the name that version 0.1.0 gave it.
_COLUMN_OF = {field.name: field.name for field in fields(Sending)} | {"values": "told"}
_COLUMNS = ", ".join(_COLUMN_OF.values())


class History:
    """The sending history of one agency; created when needed. Each write is on disk when the call returns."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def write(self, sending: Sending) -> None:
        """Store the newest try of a sending."""
        row = asdict(sending) | {
            "at": sending.at.isoformat(),
            "values": json.dumps(
                [[v.scope, v.staff_id, v.kpi, v.grain, v.period_start.isoformat(), v.value] for v in sending.values],
                ensure_ascii=False,
                separators=(",", ":"),
            ),
        }
        places = ", ".join(f":{field.name}" for field in fields(Sending))
        with SCORECARDS.open(self._state) as connection:
            connection.execute(f"insert or replace into sendings ({_COLUMNS}) values ({places})", row)

    def read(self) -> tuple[Sending, ...]:
        """All sendings in the order of their times."""
        if not SCORECARDS.exists(self._state):
            return ()
        with SCORECARDS.open(self._state) as connection:
            rows = connection.execute(f"select {_COLUMNS} from sendings order by at, {', '.join(_KEY)}").fetchall()
        return tuple(_sending(row) for row in rows)

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
class LastSentValue:
    """A value of a closed period as the last mail reported it, and the publication of that mail."""

    value: float | None
    publication_id: str
    delivery: int
    pipeline_version: str
    at: datetime


@dataclass(frozen=True)
class SentRow:
    """A row of `marts.scorecards_sent`; values_sent is JSON."""

    grain: str
    period: str
    staff_id: str
    publication_id: str
    state: str
    at: datetime
    message_id: str
    values_sent: str


def scorecards_sent(state: Path) -> list[SentRow]:
    """The rows of `marts.scorecards_sent`: every scorecard that was sent, or tried, with its values."""
    return [
        SentRow(
            sending.grain, sending.period, sending.staff_id, sending.publication_id, sending.state, sending.at,
            sending.message_id,
            json.dumps(
                [
                    {"kpi": v.kpi, "scope": v.scope, "staff_id": v.staff_id, "period_grain": v.grain,
                     "period_start": v.period_start.isoformat(), "value": v.value}
                    for v in sending.values
                ],
                ensure_ascii=False,
            ),
        )
        for sending in History(state).read()
    ]  # fmt: skip


ValueKey = tuple[str, str | None, str, str, date]  # scope, staff_id, kpi, grain, period_start


def last_sent_values(sendings: Sequence[Sending], staff_id: str | None = None) -> Mapping[ValueKey, LastSentValue]:
    """The last report of each value to this reader or, without a staff_id, to anybody.

    Mails that a server accepted count, and uncertain ones: the reader may have them.
    """
    found: dict[ValueKey, LastSentValue] = {}
    for sending in sendings:
        if sending.state not in ("sent", "uncertain") or (staff_id is not None and sending.staff_id != staff_id):
            continue
        for sent in sending.values:
            key = (sent.scope, sent.staff_id, sent.kpi, sent.grain, sent.period_start)
            found[key] = LastSentValue(
                sent.value, sending.publication_id, sending.delivery, sending.pipeline_version, sending.at
            )
    return found


def differs(then: float | None, now: float | None) -> bool:
    """Whether a value changed by more than the rounding error of adding floats in another order."""
    if then is None or now is None:
        return then is not now
    return abs(then - now) > 1e-9 * max(1.0, abs(then), abs(now))


def _sending(row: tuple[object, ...]) -> Sending:
    values = dict(zip((field.name for field in fields(Sending)), row, strict=True))
    sent = tuple(
        SentValue(scope, staff_id, kpi, grain, date.fromisoformat(start), value)
        for scope, staff_id, kpi, grain, start, value in json.loads(str(values["values"]))
    )
    return Sending(**(values | {"at": datetime.fromisoformat(str(values["at"])), "values": sent}))  # type: ignore[arg-type]
