"""Alerts to the operator: one mail when an incident begins, and one when it is resolved.

Facts show most incidents; failed tasks report themselves. Each incident is kept in HOME/state/ until it is resolved,
with what the operator was mailed about it. A mail that could not be sent is tried again by the next check, and none is
sent twice.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from amkpi.alerts.incidents import (
    BY_FACTS,
    current_publication,
    find_incidents,
    is_resolved,
    killed_task,
)
from amkpi.alerts.messages import message, message_without_home
from amkpi.alerts.store import Alert, AlertStore, Incident
from amkpi.alerts.texts import IncidentType
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.language.translator import Translator
from amkpi.core.run import Progress, Run, silent, utc_now
from amkpi.core.settings import Settings
from amkpi.scorecards.mail.address_changes import Deliver, announce
from amkpi.scorecards.mail.messages import OutgoingMail, sender_address
from amkpi.scorecards.mail.smtp import NoConnection, Server, Session

_NOBODY = "no mail is sent: set operator_email, and the connection amkpi_smtp"


def monitor(
    run: Run,
    server: Callable[[], Server],
    progress: Progress = silent,
    has_failed: Callable[[str, str], bool] = lambda task, run_id: False,
) -> list[Alert]:
    """Check the facts and notify the operator of what is new; returns the open alerts.

    server: the mail server, asked for only when there is something to send. has_failed: whether Airflow calls that task
    of that run failed for good; without Airflow nobody knows. Raises AmkpiError when the operator could not be
    notified: the next check tries again.
    """
    run.home.make()
    store = AlertStore(run.home)
    for task, run_id in store.started_tasks():
        if has_failed(task, run_id):
            store.raise_(killed_task(task, run.settings), run.now())
            store.task_ended(task)
    before = store.open_alerts()
    current = current_publication(run)
    found = find_incidents(run, current, before)
    for incident in found:
        store.raise_(incident, run.now())
    shown = {(incident.type, incident.about) for incident in found}
    for alert in before:
        key = (alert.incident.type, alert.incident.about)
        if alert.incident.type in BY_FACTS and key not in shown and is_resolved(alert, current):
            store.resolve(*key, run.now())
    notify(run, server, progress)
    announce_addresses(run, server, progress)
    return store.open_alerts()


def task_started(run: Run, task: str, run_id: str) -> None:
    """Record that a task has started, so that `monitor` can report one that is killed. Raises AmkpiError."""
    run.home.make()
    AlertStore(run.home).task_started(task, run_id)


def raise_incident(
    run: Run, incident: Incident, server: Callable[[], Server], progress: Progress = silent, task: str = ""
) -> None:
    """Raise an alert for an incident and notify the operator. task: the task that has ended by it.

    Raises as `monitor` does.
    """
    run.home.make()
    store = AlertStore(run.home)
    store.raise_(incident, run.now())
    store.task_ended(task)
    notify(run, server, progress)


def resolve(
    run: Run,
    incidents: Sequence[tuple[IncidentType, str]],
    server: Callable[[], Server],
    progress: Progress = silent,
    task: str = "",
) -> None:
    """Resolve incidents, and notify the operator of those that were mailed. task: the task that has ended well.

    incidents: as (type, about). Raises as `monitor` does.
    """
    run.home.make()
    store = AlertStore(run.home)
    resolved = [store.resolve(type_, about, run.now()) for type_, about in incidents]
    store.task_ended(task)
    if any(resolved):
        notify(run, server, progress)


def mail_without_home(
    settings: Settings, incident: Incident, server: Callable[[], Server], progress: Progress = silent
) -> None:
    """Mail the operator about an incident of what many agencies share. No store keeps it: its end is not mailed.

    settings: those of the environment. Raises AmkpiError when the mail could not be sent; nothing sends it later.
    """
    progress(f"alert: {incident.type} {incident.about}: {incident.facts}")
    if not settings.mail.operator:
        progress(_NOBODY)
        return
    session = _session(settings, server, 1)
    try:
        _deliver(session, message_without_home(settings, incident, utc_now()), incident)
    finally:
        session.close()


def notify(run: Run, server: Callable[[], Server], progress: Progress = silent) -> None:
    """Mail the operator each alert, and each resolution, that was not mailed yet.

    Raises AmkpiError when a mail could not be sent.
    """
    store = AlertStore(run.home)
    waiting = store.to_notify()
    if not waiting:
        return
    for alert in waiting:
        incident = alert.incident
        progress(f"{'resolved' if alert.resolved else 'alert'}: {incident.type} {incident.about}: {incident.facts}")
    if not run.settings.mail.operator:
        progress(_NOBODY)
        return
    with _only_notifier(run.home) as is_mine:
        if not is_mine:
            progress("another process is notifying the operator")
            return
        current = current_publication(run)
        session = _session(run.settings, server, len(waiting))
        try:
            # Read again: the process that had the lock before may have sent some of them.
            for alert in store.to_notify():
                # An uncertain mail is sent again: a lost alert costs more than one that arrives twice.
                _deliver(session, message(run, alert, current), alert.incident)
                store.mark_notified(alert)
        finally:
            session.close()


def _session(settings: Settings, server: Callable[[], Server], waiting: int) -> Session:
    """A connection to send so many alerts. Raises AmkpiError."""
    sender = sender_address(settings.mail.sender)
    try:
        return Session(server(), sender.addr_spec)
    except NoConnection as error:
        alerts = Translator("en").n("{n} alert", "{n} alerts", waiting)
        raise AmkpiError(f"the operator could not be notified of {alerts}: {error}") from error


def _deliver(session: Session, mail: OutgoingMail, incident: Incident) -> None:
    """Raises AmkpiError unless the server has taken the mail."""
    state, answer = session.deliver(mail)
    if state != "sent":
        raise AmkpiError(f"the operator could not be notified of {incident.type}: {answer}")


def announce_addresses(run: Run, server: Callable[[], Server], progress: Progress = silent) -> None:
    """Tell the old addresses and the operator of changed addresses, unless another process does. Raises AmkpiError."""
    sessions: list[Session] = []

    def deliver() -> Deliver:
        sessions.append(Session(server(), sender_address(run.settings.mail.sender).addr_spec))
        return sessions[0].deliver

    with _only_notifier(run.home) as is_mine:
        if is_mine:
            try:
                announce(run, deliver, progress)
            finally:
                for session in sessions:
                    session.close()


@contextmanager
def _only_notifier(home: Home) -> Iterator[bool]:
    """Whether this process alone notifies now. The operating system releases the lock when the process ends."""
    with (home.state / "alarms.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
