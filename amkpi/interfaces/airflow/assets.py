"""What the DAGs share: the assets that join them, the pool of the one writer, retries, the clock, and how a step fails.

Airflow reads every DAG file again and again, so nothing here imports more than `airflow.sdk` at the top.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, AssetAny, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.home import Home
from amkpi.core.settings import ENV_PREFIX, Settings, all_settings, load_settings
from amkpi.ingestion.contracts.extracts import FAMILIES
from amkpi.interfaces.airflow.landing_trigger import LandingTrigger

if TYPE_CHECKING:
    from amkpi.alerts.texts import IncidentType
    from amkpi.core.run import Run
    from amkpi.scorecards.mail.smtp import Server

# An event is a doorbell: who hears it takes everything that is there, not what the event names.
# A file is ready in LANDING.
LANDING = Asset(name="landing", group="amkpi", watchers=[AssetWatcher(name="landing", trigger=LandingTrigger())])
# New rows of a family in `raw`.
ROWS = {family: Asset(name=f"raw_{family}", group="amkpi") for family in FAMILIES}
ANY_ROWS = AssetAny(*ROWS.values())
# Through it one task rings for the families that got rows, and for no other.
RAW = AssetAlias(name="raw", group="amkpi")
# New marts are published.
MARTS = Asset(name="marts", group="amkpi")

# Of one slot: DuckDB lets one process write. Without it two of three writers fail on the lock.
POOL = "warehouse"


def schedule_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of when things run. Raises AmkpiError.

    From the environment alone: HOME/amkpi.toml may not be there, or be wrong, when Airflow reads the DAG files.
    """
    names = {
        name
        for setting in all_settings()
        if setting.path in (("timezone",), ("landing", "watch"), ("landing", "sweep_minutes"))
        for name in (setting.variable, ENV_PREFIX + setting.flat_name.upper())
    }
    return load_settings(
        Home.at(Path("/nowhere")), {name: environment[name] for name in names if environment.get(name)}
    )


def load_schedule(settings: Settings) -> Any:
    """When `load_extracts` runs: as the watch rings, and as the sweep is due; each works without the other."""
    minutes, sweep = settings.landing.sweep_minutes, None
    if minutes:
        cron = f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *"
        sweep = CronTriggerTimetable(cron, timezone=settings.timezone)
    if not settings.landing.watch:
        return sweep
    return [LANDING] if sweep is None else AssetOrTimeSchedule(timetable=sweep, assets=LANDING)


WHEN = schedule_settings(os.environ)
TIMEZONE = WHEN.timezone
NIGHTLY = CronTriggerTimetable("0 2 * * *", timezone=TIMEZONE)
AFTER_THE_NIGHT = CronTriggerTimetable("30 3 * * *", timezone=TIMEZONE)
# Between the sweeps: two cores are few.
TEN_MINUTELY = CronTriggerTimetable("5-59/10 * * * *", timezone=TIMEZONE)


def mail_server() -> Server:
    """The mail server of the connection `amkpi_smtp`. Raises AmkpiError where there is none."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    from amkpi.scorecards.mail.smtp import server_of

    try:
        return server_of(Connection.get("amkpi_smtp"))
    except AirflowNotFoundException as error:
        raise AmkpiError("no mail server: make the Airflow connection amkpi_smtp") from error


def begins(context: Any) -> None:
    """Remember that a task begins. Airflow calls none of its callbacks for one that is then killed."""
    from amkpi.alerts import notify

    with _not_raising(context):
        notify.task_started(run_for_task(), _task(context), context["run_id"])


def alarm(context: Any) -> None:
    """Tell the operator that a task failed. Airflow calls it after the last retry, in the task's own process."""
    from amkpi.alerts import notify
    from amkpi.alerts.store import Incident

    error = context.get("exception")
    by_hand = bool((context.get("params") or {}).get("as_of"))
    blocked = isinstance(getattr(error, "__cause__", None), AuditBlocked) and not by_hand
    cause: tuple[IncidentType, str] = ("publication-blocked", "") if blocked else ("task-failed", _task(context))
    what = " ".join(str(error).split()) or type(error).__name__
    with _not_raising(context):
        notify.raise_incident(run_for_task(), Incident(*cause, what), mail_server, say, _task(context))


def all_clear(context: Any) -> None:
    """Tell the operator that a task which had failed is well again; one that publishes unblocks."""
    from amkpi.alerts import notify

    ended: list[tuple[IncidentType, str]] = [("task-failed", _task(context))]
    if _task(context) == "build_marts.publish":
        ended.append(("publication-blocked", ""))
    with _not_raising(context):
        notify.resolve(run_for_task(), ended, mail_server, say, _task(context))


def has_failed(task: str, run_id: str) -> bool:
    """Whether Airflow calls a task (`dag.task`) of that run failed for good: no try is left."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    dag_id, task_id = task.split(".")
    states = RuntimeTaskInstance.get_task_states(dag_id=dag_id, task_ids=[task_id], run_ids=[run_id])
    return bool(states.get(run_id, {}).get(task_id) == "failed")


def _task(context: Any) -> str:
    return f"{context['ti'].dag_id}.{context['ti'].task_id}"


@contextmanager
def _not_raising(context: Any) -> Iterator[None]:
    """A callback must not raise: what cannot be told now is told by the next `watch_over`."""
    try:
        yield
    except AmkpiError as error:
        logging.getLogger(__name__).error("the operator is not told of %s now: %s", _task(context), error)


# Waits of 1, 2 and 4 minutes outlast an `amkpi run` by hand, which holds the lock that a task finds taken.
DEFAULT_ARGS: Mapping[str, Any] = {
    "owner": "amkpi",
    "pool": POOL,
    "retries": 3,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,  # a number since Airflow 3; True would mean 1, a constant wait
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(hours=1),
    "on_execute_callback": begins,
    "on_failure_callback": alarm,
    "on_success_callback": all_clear,
    "on_skipped_callback": all_clear,
}

# Of what tells the operator: it writes no warehouse, and has nobody to tell that it cannot tell.
ALARMS_ARGS: Mapping[str, Any] = {
    **{name: value for name, value in DEFAULT_ARGS.items() if not name.startswith("on_")},
    "pool": "default_pool",
    "retries": 1,
}

# Who gets the one writer's slot first. What was begun ends first, since a load between build and audit makes the build
# stale. A load goes before a build that has not begun: the build then has its rows too, and a burst gives few builds.
BEGUN: Mapping[str, Any] = {"priority_weight": 10, "weight_rule": "absolute"}
BEFORE_BUILDS: Mapping[str, Any] = {"priority_weight": 5, "weight_rule": "absolute"}
LAST: Mapping[str, Any] = {"priority_weight": 1, "weight_rule": "absolute"}

say = logging.getLogger(__name__).info


def run_for_task(params: Mapping[str, Any] | None = None) -> Run:
    """The run that AMKPI_HOME, AMKPI_LANDING and `as_of` describe, or AMKPI_AS_OF if that is empty.

    params: the params of the DAG, or `Run.to_xcom` of an earlier task of the same DAG run. A given date that is earlier
    than that of the current publication makes a historical publication. Raises AmkpiError.
    """
    from amkpi.core.run import Run
    from amkpi.pipeline import steps  # DuckDB and Arrow cost a second to import: not while Airflow reads DAG files

    given = params or {}
    run = Run.prepare(as_of=given.get("as_of") or None)
    past = given["historical"] if "historical" in given else bool(given.get("as_of")) and steps.is_past(run)
    return replace(run, historical=past)


def clean_airflow(run: Run) -> int:
    """Remove Airflow's old records and task logs; returns how many logs went. Raises AmkpiError."""
    from airflow.configuration import conf

    from amkpi.interfaces.airflow import housekeeping

    days, moment = run.settings.retention.airflow_days, run.now()
    housekeeping.clean_airflow(days, moment)
    return housekeeping.clean_logs(Path(conf.get("logging", "base_log_folder")), days, moment)


@contextmanager
def told_to_airflow() -> Iterator[None]:
    """Let a step fail as Airflow should treat it, with the step's own line as the message.

    A blocked audit fails at once, since the same rows would be blocked again. Any other AmkpiError is retried: the lock
    of another run is let go, a share comes back, and a wrong setting costs no more than a few short tries.
    """
    try:
        yield
    except AuditBlocked as blocked:
        raise AirflowFailException(str(blocked)) from blocked
    except AmkpiError as error:
        raise AirflowException(str(error)) from error


def ensure_pool() -> None:
    """Make the pool of one slot in Airflow's database, or set it right."""
    from airflow.models.pool import Pool

    Pool.create_or_update_pool(
        POOL, slots=1, description="the one writer of the DuckDB warehouse", include_deferred=False
    )
