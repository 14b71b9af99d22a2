"""What was sent to whom, in HOME/state/: intent before, the server's answer after, and the values that were told.

It cannot be computed anew, so it is kept whatever publications are pruned, in a small SQLite file of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from amkpi.core.storage.migrations.state_stores import SCORECARDS
from amkpi.scorecards.model import Told

# intended: about to be given to the server. sent: the server took it. deferred: surely not taken, may be tried again.
# refused: the server will never take it. uncertain: cut off between intent and answer; only a person may send it again.
State = Literal["intended", "sent", "deferred", "refused", "uncertain"]


@dataclass(frozen=True)
class Sending:
    """One scorecard for one person: the newest try. edition: which of a period's scorecards (`edition_of`)."""

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
    told: tuple[Told, ...]


def edition_of(is_provisional: bool, as_of: date) -> str:
    """Which of a period's scorecards this is: one a week while it runs, one when it is closed.

    Nobody is sent the same edition twice.
    """
    if not is_provisional:
        return "closed"
    year, week, _ = as_of.isocalendar()
    return f"{year}-W{week:02}"


_KEY = ("grain", "period", "edition", "staff_id")
_COLUMNS = ", ".join(field.name for field in fields(Sending))


class History:
    """The store of one agency; made when it is not there yet. Each write is on disk when the call returns."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def write(self, sending: Sending) -> None:
        """Write the newest try of a sending."""
        row = asdict(sending) | {
            "at": sending.at.isoformat(),
            "told": json.dumps(
                [[t.scope, t.staff_id, t.kpi, t.grain, t.period_start.isoformat(), t.value] for t in sending.told],
                ensure_ascii=False,
                separators=(",", ":"),
            ),
        }
        places = ", ".join(f":{field.name}" for field in fields(Sending))
        with SCORECARDS.open(self._state) as connection:
            connection.execute(f"insert or replace into sendings ({_COLUMNS}) values ({places})", row)

    def read(self) -> tuple[Sending, ...]:
        """All sendings in the order of their moments."""
        if not SCORECARDS.exists(self._state):
            return ()
        with SCORECARDS.open(self._state) as connection:
            rows = connection.execute(f"select {_COLUMNS} from sendings order by at, {', '.join(_KEY)}").fetchall()
        return tuple(_sending(row) for row in rows)

    def operator_knows(self, digest: str) -> bool:
        """Whether the operator was told this before."""
        with SCORECARDS.open(self._state) as connection:
            found = connection.execute("select 1 from operator_notes where digest = ?", [digest]).fetchone()
        return found is not None

    def note_for_operator(self, digest: str) -> None:
        """Remember that the operator was told this."""
        with SCORECARDS.open(self._state) as connection:
            connection.execute("insert or ignore into operator_notes (digest) values (?)", [digest])


@dataclass(frozen=True)
class LastTold:
    """What a reader was last told about a value of a closed period, and of which publication."""

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
    """The rows of `marts.scorecards_sent`: every scorecard that was sent, or tried, and the values it told."""
    return [
        SentRow(
            sending.grain, sending.period, sending.staff_id, sending.publication_id, sending.state, sending.at,
            sending.message_id,
            json.dumps(
                [
                    {"kpi": t.kpi, "scope": t.scope, "staff_id": t.staff_id, "period_grain": t.grain,
                     "period_start": t.period_start.isoformat(), "value": t.value}
                    for t in sending.told
                ],
                ensure_ascii=False,
            ),
        )
        for sending in History(state).read()
    ]  # fmt: skip


ValueKey = tuple[str, str | None, str, str, date]  # scope, staff_id, kpi, grain, period_start


def last_told(sendings: Sequence[Sending], staff_id: str | None = None) -> Mapping[ValueKey, LastTold]:
    """What was last told about each value, to this reader or, without one, to anybody.

    Only what a server took counts, and what is uncertain: the reader may have it.
    """
    found: dict[ValueKey, LastTold] = {}
    for sending in sendings:
        if sending.state not in ("sent", "uncertain") or (staff_id is not None and sending.staff_id != staff_id):
            continue
        for told in sending.told:
            key = (told.scope, told.staff_id, told.kpi, told.grain, told.period_start)
            found[key] = LastTold(
                told.value, sending.publication_id, sending.delivery, sending.pipeline_version, sending.at
            )
    return found


def moved(then: float | None, now: float | None) -> bool:
    """Whether a value is another one, beyond what adding floats in another order does."""
    if then is None or now is None:
        return then is not now
    return abs(then - now) > 1e-9 * max(1.0, abs(then), abs(now))


def _sending(row: tuple[object, ...]) -> Sending:
    values = dict(zip((field.name for field in fields(Sending)), row, strict=True))
    told = tuple(
        Told(scope, staff_id, kpi, grain, date.fromisoformat(start), value)
        for scope, staff_id, kpi, grain, start, value in json.loads(str(values["told"]))
    )
    return Sending(**(values | {"at": datetime.fromisoformat(str(values["at"])), "told": told}))  # type: ignore[arg-type]
