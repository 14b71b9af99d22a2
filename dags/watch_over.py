"""Look every ten minutes for incidents, and mail the operator: once when an incident begins, once when it is resolved.

**When.** Every ten minutes. A failed task raises its incident at once. This DAG checks the facts: a task that was
killed in its last try, a blocked publication, a night's publication that is missing at AMKPI_PUBLISH_BY_HOUR, a family
without new rows for too long, mails with the outcome *uncertain*, files that stay in LANDING. It also sends the alerts
that could not be sent before, and the notices about changed addresses of the staff extract. By hand: `amkpi alerts`,
which does not see killed tasks. `amkpi status` lists the open incidents. With many agencies it looks at each, and mails
the operator of each; `sweep` then starts `amkpi_load_extracts` of those where files or rows wait, in case an event is
lost.

**Needs.** The setting `operator_email`, and the Airflow connection `amkpi_smtp`. Without the setting, incidents are
only in the log.

**When it fails.** The operator did not get the mail: the last line of the task's log says why. The next run sends it.
With many agencies the line names each that failed; the others were looked at.

**What readers see meanwhile.** The last publication; it touches none.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from amkpi.interfaces.airflow.assets import SWEEP, landing_asset
from amkpi.interfaces.airflow.schedules import EVERY_TEN_MINUTES, SCHEDULE_SETTINGS
from amkpi.interfaces.airflow.task_defaults import ALERT_ARGS, PRIORITY_WATCH, dag_arguments
from amkpi.interfaces.airflow.task_run import raise_as_airflow_error
from amkpi.interfaces.airflow.watching import AgencyPart, look_at, look_at_each, parts_by_queue, waiting_of


def watch_over() -> None:
    """The DAG for the only agency of this Airflow, or for all of a group."""
    by_queue = parts_by_queue()

    @dag(
        **dag_arguments("watch_over", None, __doc__, "operations"),
        schedule=EVERY_TEN_MINUTES,
        default_args=ALERT_ARGS,
    )
    def define() -> None:
        @task
        def look() -> dict[str, int]:
            """Compare the facts with the open incidents, and mail the difference."""
            with raise_as_airflow_error():
                return {"open_incidents": look_at(None)}

        if by_queue is None:
            look()
            return
        for queue, parts in by_queue.items():
            look_at_part(queue).expand(codes=parts)
            if SCHEDULE_SETTINGS.landing.sweep_minutes:
                sweep_part(queue).expand(codes=parts)

    define()


def of_queue(task_id: str, queue: str | None) -> dict[str, Any]:
    """The arguments of a task that runs where the HOMEs of its agencies are."""
    where = {"task_id": task_id} if queue is None else {"task_id": f"{task_id}_{queue}", "queue": queue}
    return {**where, **PRIORITY_WATCH}


def look_at_part(queue: str | None) -> Any:
    """The task that looks at some agencies."""

    @task(**of_queue("look", queue))
    def look(codes: AgencyPart) -> dict[str, int]:
        """Compare the facts of each agency with its open incidents, and mail its operator the difference."""
        with raise_as_airflow_error():
            return {"open_incidents": look_at_each(codes)}

    return look


def sweep_part(queue: str | None) -> Any:
    """The task that sweeps some agencies."""

    @task(**of_queue("sweep", queue), outlets=[SWEEP])
    def sweep(codes: AgencyPart, *, outlet_events: Any) -> dict[str, int]:
        """Start `amkpi_load_extracts` of each agency where something waits."""
        with raise_as_airflow_error():
            waiting = waiting_of(codes)
        for agency in waiting:
            outlet_events[SWEEP].add(landing_asset(agency, SCHEDULE_SETTINGS.landing.watch))
        return {"waiting": len(waiting)}

    return sweep


watch_over()
