"""What Airflow calls when a task starts, fails or succeeds: they raise and resolve incidents."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.interfaces.airflow.names import agency_of, name_for, short_name
from amkpi.interfaces.airflow.task_run import log, run_from_params

if TYPE_CHECKING:
    from amkpi.alerts.texts import IncidentType
    from amkpi.core.agencies import Agency
    from amkpi.core.run import Run
    from amkpi.scorecards.mail.smtp import Server


def mail_server() -> Server:
    """The mail server of the connection `amkpi_smtp`. Raises AmkpiError where there is none."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    from amkpi.scorecards.mail.smtp import server_of

    try:
        return server_of(Connection.get("amkpi_smtp"))
    except AirflowNotFoundException as error:
        raise AmkpiError("no mail server: create the Airflow connection amkpi_smtp") from error


def on_task_start(context: Any) -> None:
    """Remember that a task has started. Airflow calls no other callback for a task that is then killed."""
    from amkpi.alerts import notify

    with _logged_errors(context):
        notify.task_started(_run(context), _task(context), context["run_id"])


def on_task_failure(context: Any) -> None:
    """Raise an incident for a failed task. Airflow calls it after the last retry, in the process of the task."""
    from amkpi.alerts import notify
    from amkpi.alerts.store import Incident

    error = context.get("exception")
    by_hand = bool((context.get("params") or {}).get("as_of"))
    blocked = isinstance(getattr(error, "__cause__", None), AuditBlocked) and not by_hand
    cause: tuple[IncidentType, str] = ("publication-blocked", "") if blocked else ("task-failed", _task(context))
    with _logged_errors(context):
        notify.raise_incident(_run(context), Incident(*cause, _what(error)), mail_server, log, _task(context))


def on_shared_task_failure(context: Any) -> None:
    """Mail a failed task of what many agencies share, which has no HOME, to the operator of the environment."""
    from amkpi.alerts import notify
    from amkpi.alerts.store import Incident
    from amkpi.interfaces.airflow.schedules import environment_settings

    incident = Incident("task-failed", _task(context), _what(context.get("exception")))
    with _logged_errors(context):
        notify.mail_without_home(environment_settings(), incident, mail_server, log)


def on_task_success(context: Any) -> None:
    """Resolve the incident of a task that had failed; a publication resolves a blocked one too."""
    from amkpi.alerts import notify

    ended: list[tuple[IncidentType, str]] = [("task-failed", _task(context))]
    if _task(context) == "build_marts.publish":
        ended.append(("publication-blocked", ""))
    with _logged_errors(context):
        notify.resolve(_run(context), ended, mail_server, log, _task(context))


def has_failed(agency: Agency | None, task: str, run_id: str) -> bool:
    """Whether an agency's task (`dag.task`, without the prefix) has failed in that run, with no retry left."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    name, task_id = task.split(".")
    dag_id = name_for(name, agency)
    states = RuntimeTaskInstance.get_task_states(dag_id=dag_id, task_ids=[task_id], run_ids=[run_id])
    return bool(states.get(run_id, {}).get(task_id) == "failed")


def _run(context: Any) -> Run:
    """The run of the agency of the task. Raises AmkpiError."""
    return run_from_params(agency_of(context["ti"].dag_id))


def _what(error: BaseException | None) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _task(context: Any) -> str:
    return f"{short_name(context['ti'].dag_id)}.{context['ti'].task_id}"


@contextmanager
def _logged_errors(context: Any) -> Iterator[None]:
    """A callback must not raise. What a HOME keeps is mailed by the next run of `amkpi_watch_over`."""
    try:
        yield
    except AmkpiError as error:
        logging.getLogger(__name__).error("no mail about %s now: %s", _task(context), error)
