"""The alarms of one agency in HOME/state/: each cause from when it was first seen until it is over.

Beside them which tasks have begun: one that is killed cannot say so itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from amkpi.alerts.texts import Slug
from amkpi.core.home import Home
from amkpi.core.storage.migrations.state_stores import ALARMS


@dataclass(frozen=True)
class Trouble:
    """Something that needs a person. about: which one of its kind, such as the task; what: the facts in one line."""

    slug: Slug
    about: str
    what: str


@dataclass(frozen=True)
class Alarm:
    """A trouble since when, until when (None: it lasts), and whether the operator was told of either."""

    trouble: Trouble
    since: datetime
    over: datetime | None
    told: bool


class Alarms:
    """The store of one agency, made when something is first raised. Each write is on disk when the call returns."""

    def __init__(self, home: Home) -> None:
        self._state = home.state

    def begin(self, trouble: Trouble, now: datetime) -> None:
        """Raise an alarm, or, where this one lasts already, keep what is newly known of it."""
        with ALARMS.open(self._state) as connection:
            lasting = connection.execute(
                "update alarms set what = ? where slug = ? and about = ? and over is null",
                [trouble.what, trouble.slug, trouble.about],
            )
            if lasting.rowcount == 0:
                connection.execute(
                    "insert or replace into alarms (slug, about, what, since, told, over_told)"
                    " values (?, ?, ?, ?, 0, 0)",
                    [trouble.slug, trouble.about, trouble.what, now.astimezone(UTC).isoformat()],
                )

    def end(self, slug: Slug, about: str, now: datetime) -> bool:
        """This trouble is over; True when it lasted until now."""
        if not ALARMS.exists(self._state):
            return False
        with ALARMS.open(self._state) as connection:
            # Of what the operator was never told they need not be told that it is over.
            forgotten = connection.execute(
                "delete from alarms where slug = ? and about = ? and over is null and not told", [slug, about]
            )
            ended = connection.execute(
                "update alarms set over = ? where slug = ? and about = ? and over is null",
                [now.astimezone(UTC).isoformat(), slug, about],
            )
            return forgotten.rowcount + ended.rowcount > 0

    def lasting(self) -> list[Alarm]:
        """The alarms that are not over, in the order in which they were raised."""
        return self._read("over is null")

    def untold(self) -> list[Alarm]:
        """Of which the operator is still to be told: that they began, or that they are over."""
        return self._read("not told or (over is not null and not over_told)")

    def tell(self, alarm: Alarm) -> None:
        """The operator was told of the alarm as it is."""
        told = "told = 1" if alarm.over is None else "told = 1, over_told = 1"
        with ALARMS.open(self._state) as connection:
            connection.execute(
                f"update alarms set {told} where slug = ? and about = ? and since = ?",
                [alarm.trouble.slug, alarm.trouble.about, alarm.since.isoformat()],
            )

    def task_begins(self, task: str, run_id: str) -> None:
        """Remember that a task runs in that run of its DAG, until it says how it ended."""
        with ALARMS.open(self._state) as connection:
            connection.execute("insert or replace into begun (task, run_id) values (?, ?)", [task, run_id])

    def task_ended(self, task: str) -> None:
        """It said how it ended."""
        with ALARMS.open(self._state) as connection:
            connection.execute("delete from begun where task = ?", [task])

    def begun(self) -> list[tuple[str, str]]:
        """The tasks that began and did not say how they ended, each with its run: they run, or were killed."""
        if not ALARMS.exists(self._state):
            return []
        with ALARMS.open(self._state) as connection:
            return connection.execute("select task, run_id from begun order by task").fetchall()

    def _read(self, condition: str) -> list[Alarm]:
        if not ALARMS.exists(self._state):
            return []
        with ALARMS.open(self._state) as connection:
            rows = connection.execute(
                f"select slug, about, what, since, over, told from alarms where {condition} order by since, slug, about"
            ).fetchall()
        return [
            Alarm(
                Trouble(slug, about, what),
                datetime.fromisoformat(since),
                datetime.fromisoformat(over) if over else None,
                bool(told),
            )
            for slug, about, what, since, over, told in rows
        ]
