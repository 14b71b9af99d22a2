"""Runs the DAGs in this process: the first one, then those that its asset events make due.

`dag.test()` of Airflow runs one DAG and writes its asset events, but does not start the DAGs that wait for them. This
module reads them from Airflow's queue. So `amkpi_build_marts` runs only because `amkpi_load_extracts` emitted an event.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.airflow.names import short_name
from amkpi.interfaces.demo.screen import Screen

FIRST, WAITS_FOR_FIRST = "amkpi_load_extracts", "amkpi_build_marts"
NEEDS_A_MAIL_SERVER = "amkpi_send_scorecards"


@dataclass
class Outcome:
    """The tasks of one DAG run: their results by task, and the first error."""

    results: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None


def start_airflow() -> None:
    """Create Airflow's database and the pool of the DAGs."""
    from airflow.utils.db import initdb

    from amkpi.interfaces.airflow.task_defaults import ensure_pools

    initdb()
    ensure_pools()


def run_chain(folder: Path, screen: Screen) -> None:
    """Run the first DAG of the folder, then every DAG that becomes due by assets, until none is due.

    A DAG leaves the queue when it has succeeded, so a demo that was stopped continues where it was. Raises AmkpiError.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(folder)
    for file, trace in bag.import_errors.items():
        raise AmkpiError(f"{file} cannot be read as a DAG file: {trace.strip().splitlines()[-1]}")
    for dag_id in (FIRST, WAITS_FOR_FIRST):
        if dag_id not in bag.dags:
            raise AmkpiError(f"{folder} has no DAG {dag_id}")

    loaded = _run_dag(bag.dags[FIRST], screen).results
    finished: list[str] = []
    while due := _due():
        for dag_id in due:
            if dag_id == NEEDS_A_MAIL_SERVER:
                screen.console.print(f"[dim]– {short_name(dag_id):<22}        left out: a demo has no mail server[/]")
                _no_longer_due(dag_id)
                continue
            _run_dag(bag.dags[dag_id], screen)
            _no_longer_due(dag_id)
            finished.append(dag_id)
    if (loaded and WAITS_FOR_FIRST not in finished) or not _are_connected(bag):
        raise AmkpiError(
            f"nothing that {FIRST} does makes {WAITS_FOR_FIRST} due: the task that loads must have the asset among its"
            f" outlets, and {WAITS_FOR_FIRST} must be scheduled on it; see {folder}"
        )
    if not loaded and not finished:
        screen.console.print(f"  There were no new files, so {WAITS_FOR_FIRST} is not due: the last publication stays.")


def _run_dag(dag: Any, screen: Screen) -> Outcome:
    """Run one DAG. Raises the error of a failed task: AmkpiError, AuditBlocked."""
    outcome = Outcome()
    for task in dag.tasks:
        task.retries = 0  # a demo does not wait: it reports the first failure
        for kind, callback in _callbacks(outcome, screen).items():
            setattr(task, kind, [callback])
    run = dag.test()
    if run.state != "success":
        if isinstance(outcome.error, KeyboardInterrupt):  # Airflow treats it as a failure of the task
            raise outcome.error
        cause = outcome.error.__cause__ if outcome.error is not None else None
        if isinstance(cause, AmkpiError):
            raise cause
        raise AmkpiError(f"{dag.dag_id} failed, a defect: {outcome.error!r}; the log has the traceback")
    return outcome


def _callbacks(outcome: Outcome, screen: Screen) -> dict[str, Callable[[Any], None]]:
    """The callbacks of every task, by the name of Airflow's argument."""

    def on_start(context: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # with Airflow's own handler the demo could not be stopped
        screen.begin(f"{short_name(context['ti'].dag_id)}.{context['ti'].task_id}")

    def on_success(context: Any) -> None:
        task_id = context["ti"].task_id
        outcome.results[task_id] = context["ti"].xcom_pull(task_ids=task_id)
        screen.end("[green]✓[/]", _summary(outcome.results[task_id] or {}))

    def on_skip(context: Any) -> None:
        screen.end("[dim]–[/]", "nothing to do")

    def on_failure(context: Any) -> None:
        outcome.error = outcome.error or context.get("exception")
        screen.end("[red]✗[/]", "")

    return {
        "on_execute_callback": on_start,
        "on_success_callback": on_success,
        "on_skipped_callback": on_skip,
        "on_failure_callback": on_failure,
    }


def _summary(result: dict[str, Any]) -> str:
    """A task's result as one line: texts after their names, counts that are not zero before them."""
    parts = []
    for name, value in result.items():
        words = name.replace("_", " ")
        if isinstance(value, str):
            parts.append(f"{words} {value}")
        elif value:
            parts.append(f"{value:,} {words}")
    return ", ".join(parts)


def _due() -> list[str]:
    """The DAGs that asset events made due, from Airflow's queue."""
    from airflow.models.asset import AssetDagRunQueue
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return sorted(set(session.scalars(select(AssetDagRunQueue.target_dag_id))))


def _are_connected(bag: Any) -> bool:
    """Whether the first DAG may emit events of every family, and the other one waits for them.

    It detects a missing outlet even when there were no new files.
    """
    from amkpi.interfaces.airflow.assets import assets_of

    assets = assets_of(None)
    emitted = {outlet.name for task in bag.dags[FIRST].tasks for outlet in task.outlets}
    awaited = {asset.name for asset in bag.dags[WAITS_FOR_FIRST].timetable.asset_condition.objects}
    return assets.raw.name in emitted and awaited >= {asset.name for asset in assets.rows.values()}


def _no_longer_due(dag_id: str) -> None:
    from airflow.models.asset import AssetDagRunQueue
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(AssetDagRunQueue).where(AssetDagRunQueue.target_dag_id == dag_id))
