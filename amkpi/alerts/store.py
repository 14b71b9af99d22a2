"""The alerts of one agency in HOME/state/: each incident from when it was first seen until it is resolved.

The store also has the tasks that have started: a task that is killed cannot report its own end. Tables and columns keep
the names that version 0.1.0 gave them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from amkpi.alerts.texts import IncidentType
from amkpi.core.home import Home
from amkpi.core.storage.migrations.state_stores import ALARMS


@dataclass(frozen=True)
class Incident:
    """Something that needs the operator. about: which one of its type, such as the task; facts: one line for people."""

    type: IncidentType
    about: str
    facts: str


@dataclass(frozen=True)
class Alert:
    """An incident with when it began, when it was resolved (None: it is open), and whether its begin was mailed."""

    incident: Incident
    since: datetime
    resolved: datetime | None
    notified: bool


class AlertStore:
    """The alerts of one agency, created when the first is raised. Each write is on disk when the call returns."""

    def __init__(self, home: Home) -> None:
        self._state = home.state

    def raise_(self, incident: Incident, now: datetime) -> None:
        """Open an alert; where this incident is open already, update its facts."""
        with ALARMS.open(self._state) as connection:
            updated = connection.execute(
                "update alarms set what = ? where slug = ? and about = ? and over is null",
                [incident.facts, incident.type, incident.about],
            )
            if updated.rowcount == 0:
                connection.execute(
                    "insert or replace into alarms (slug, about, what, since, told, over_told)"
                    " values (?, ?, ?, ?, 0, 0)",
                    [incident.type, incident.about, incident.facts, now.astimezone(UTC).isoformat()],
                )

    def resolve(self, type_: IncidentType, about: str, now: datetime) -> bool:
        """Close the alert of an incident; True when it was open until now."""
        if not ALARMS.exists(self._state):
            return False
        with ALARMS.open(self._state) as connection:
            # An incident that was never mailed needs no mail about its end.
            deleted = connection.execute(
                "delete from alarms where slug = ? and about = ? and over is null and not told", [type_, about]
            )
            closed = connection.execute(
                "update alarms set over = ? where slug = ? and about = ? and over is null",
                [now.astimezone(UTC).isoformat(), type_, about],
            )
            return deleted.rowcount + closed.rowcount > 0

    def open_alerts(self) -> list[Alert]:
        """The alerts that are not resolved, in the order in which they were raised."""
        return self._read("over is null")

    def to_notify(self) -> list[Alert]:
        """The alerts about which the operator still needs a mail: of the begin, or of the end."""
        return self._read("not told or (over is not null and not over_told)")

    def mark_notified(self, alert: Alert) -> None:
        """Record that the operator was mailed about the alert as it is."""
        columns = "told = 1" if alert.resolved is None else "told = 1, over_told = 1"
        with ALARMS.open(self._state) as connection:
            connection.execute(
                f"update alarms set {columns} where slug = ? and about = ? and since = ?",
                [alert.incident.type, alert.incident.about, alert.since.isoformat()],
            )

    def task_started(self, task: str, run_id: str) -> None:
        """Record that a task of a DAG run has started, until `task_ended`."""
        with ALARMS.open(self._state) as connection:
            connection.execute("insert or replace into begun (task, run_id) values (?, ?)", [task, run_id])

    def task_ended(self, task: str) -> None:
        """Record that a task has reported its end."""
        with ALARMS.open(self._state) as connection:
            connection.execute("delete from begun where task = ?", [task])

    def started_tasks(self) -> list[tuple[str, str]]:
        """The tasks that have started and not reported their end, with their run: they are running, or were killed."""
        return ALARMS.read(self._state, "select task, run_id from begun order by task", lambda *row: row)

    def _read(self, condition: str) -> list[Alert]:
        def alert(type_: IncidentType, about: str, facts: str, since: str, over: str | None, told: int) -> Alert:
            resolved = datetime.fromisoformat(over) if over else None
            return Alert(Incident(type_, about, facts), datetime.fromisoformat(since), resolved, bool(told))

        columns = "slug, about, what, since, over, told"
        return ALARMS.read(
            self._state, f"select {columns} from alarms where {condition} order by since, slug, about", alert
        )
