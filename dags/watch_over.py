"""Look every ten minutes for what needs the operator, and mail them: once when it begins, and once when it is over.

**When.** Every ten minutes. Failed tasks tell of themselves at once; this looks at the facts: a task that was killed on
its last try and could not tell, a blocked publication, a night's publication that is not out by AMKPI_PUBLISH_BY_HOUR,
a family that has gone stale, mails whose fate nobody knows, files that stay in LANDING. It also sends what could not be
sent before. By hand: `amkpi alarms`, which cannot tell of killed tasks, and `amkpi status` lists what lasts.

**Needs.** The setting `operator_email`, and the Airflow connection `amkpi_smtp`. Without the setting, all this stands
in the log alone.

**When it fails.** The operator could not be told: the last line of the task's log says why. What was to be told is
kept, and told by the next run.

**What readers see meanwhile.** The last publication; it touches none.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from airflow.sdk import dag, task

from amkpi.interfaces.airflow.assets import (
    ALARMS_ARGS,
    TEN_MINUTELY,
    has_failed,
    mail_server,
    run_for_task,
    say,
    told_to_airflow,
)


@dag(
    schedule=TEN_MINUTELY,
    catchup=False,
    max_active_runs=1,
    default_args=ALARMS_ARGS,
    tags=["amkpi", "operations"],
    doc_md=__doc__,
)
def watch_over() -> None:
    @task
    def look() -> dict[str, int]:
        """Compare the facts with what the operator knows, and tell them the difference."""
        from amkpi.alerts import notify

        with told_to_airflow():
            lasting = notify.monitor(run_for_task(), mail_server, say, has_failed)
        return {"lasting": len(lasting)}

    look()


watch_over()
