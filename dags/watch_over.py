"""Look every ten minutes for incidents, and mail the operator: once when an incident begins, once when it is resolved.

**When.** Every ten minutes. A failed task raises its incident at once. This DAG checks the facts: a task that was
killed in its last try, a blocked publication, a night's publication that is missing at AMKPI_PUBLISH_BY_HOUR, a family
without new rows for too long, mails with the outcome *uncertain*, files that stay in LANDING. It also sends the alerts
that could not be sent before, and the notices about changed addresses of the staff extract. By hand: `amkpi alerts`,
which does not see killed tasks. `amkpi status` lists the open incidents.

**Needs.** The setting `operator_email`, and the Airflow connection `amkpi_smtp`. Without the setting, incidents are
only in the log.

**When it fails.** The operator did not get the mail: the last line of the task's log says why. The next run sends it.

**What readers see meanwhile.** The last publication; it touches none.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from airflow.sdk import dag, task

from amkpi.interfaces.airflow.callbacks import has_failed, mail_server
from amkpi.interfaces.airflow.schedules import EVERY_TEN_MINUTES
from amkpi.interfaces.airflow.task_defaults import ALERT_ARGS
from amkpi.interfaces.airflow.task_run import log, raise_as_airflow_error, run_from_params


@dag(
    dag_id="amkpi_watch_over",
    schedule=EVERY_TEN_MINUTES,
    catchup=False,
    max_active_runs=1,
    default_args=ALERT_ARGS,
    tags=["amkpi", "operations"],
    doc_md=__doc__,
)
def watch_over() -> None:
    @task
    def look() -> dict[str, int]:
        """Compare the facts with the open incidents, and mail the difference."""
        from amkpi.alerts import notify

        with raise_as_airflow_error():
            open_incidents = notify.monitor(run_from_params(), mail_server, log, has_failed)
        return {"open_incidents": len(open_incidents)}

    look()


watch_over()
