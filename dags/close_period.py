"""Close a period for good: by hand, or by itself when somebody has approved it.

**When.** By hand: *Trigger*, with `period` (2026-09, 2026-Q3 or 2026), `by` and, if you like, `note`. By itself: every
morning at 06:00 in AMKPI_TIMEZONE it looks for a period of AMKPI_CLOSE_GRAIN that ended at least AMKPI_CLOSE_AFTER_DAYS
days ago and is not closed. `ask` then shows its scores, what is undecided and the warnings under *Required Actions*,
and waits.

- *Approve*: exactly the publication that was shown is closed, by the login of who approved it. If another one is
  current by then, it is asked again at once.
- *Reject*: this period is not asked about again. `amkpi close` still closes it.
- No answer within AMKPI_CLOSE_APPROVAL_HOURS: `ask` fails, the operator gets a mail, and it asks again in the morning.

While a question waits, a run by hand waits too: `amkpi close` does not.

**When it fails.** The last line of the failed task's log says what, where and how to fix it. A closing that is refused
(files wait, the period is not over) closes nothing. A closing whose publication was blocked is in force: fix what the
line says, and the next publication shows it.

**What readers see meanwhile.** The last publication.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from amkpi.interfaces.airflow.approval import AskToClose
from amkpi.interfaces.airflow.assets import ANSWERED, EXPORT, MARTS
from amkpi.interfaces.airflow.schedules import IN_THE_MORNING, SCHEDULE_SETTINGS
from amkpi.interfaces.airflow.task_defaults import DEFAULT_ARGS, PRIORITY_FINISH_STARTED
from amkpi.interfaces.airflow.task_run import raise_as_airflow_error, request_export, run_from_params


@dag(
    dag_id="amkpi_close_period",
    schedule=AssetOrTimeSchedule(timetable=IN_THE_MORNING, assets=ANSWERED),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "period": Param(None, type=["null", "string"], description="2026-09, 2026-Q3 or 2026; empty: what is due"),
        "by": Param(None, type=["null", "string"], description="who closes it"),
        "note": Param(None, type=["null", "string"], description="why, for those who ask later"),
    },
    tags=["amkpi", "closing"],
    doc_md=__doc__,
)
def close_period() -> None:
    @task(pool="default_pool")
    def choose(*, params: Any) -> dict[str, str]:
        """The period that a person named, or the question about the one that is due. Skips itself without one."""
        from amkpi.interfaces.airflow.closing import question

        if params["period"]:
            return {"period": params["period"], "by": params["by"] or "", "note": params["note"] or ""}
        with raise_as_airflow_error():
            asked = question(run_from_params())
        if asked is None:
            raise AirflowSkipException("no period is to be closed")
        return asked

    @task.branch(pool="default_pool")
    def by_hand_or_not(chosen: dict[str, str]) -> str:
        """The next task: `close_by_hand` if a period was given, else `ask`."""
        return "close_by_hand" if "by" in chosen else "ask"

    @task(outlets=[MARTS, EXPORT, ANSWERED], **PRIORITY_FINISH_STARTED)
    def close_by_hand(chosen: dict[str, str], *, outlet_events: Any) -> dict[str, str]:
        """Close what was named."""
        from amkpi.interfaces.airflow.closing import close_and_report

        with raise_as_airflow_error():
            run = run_from_params()
            closed = close_and_report(run, chosen["period"], chosen["by"], chosen["note"])
            request_export(run, outlet_events)
        return closed

    ask = AskToClose(
        task_id="ask",
        subject="{{ ti.xcom_pull(task_ids='choose')['subject'] }}",
        body="{{ ti.xcom_pull(task_ids='choose')['body'] }}",
        response_timeout=timedelta(hours=SCHEDULE_SETTINGS.closing.approval_hours),
        pool="default_pool",
    )

    @task(outlets=[MARTS, EXPORT, ANSWERED], **PRIORITY_FINISH_STARTED)
    def close_approved(chosen: dict[str, str], answer: dict[str, Any], *, outlet_events: Any) -> dict[str, str]:
        """Close the publication that was shown; where another one is current, ask again."""
        from amkpi.interfaces.airflow.closing import close_and_report, login

        with raise_as_airflow_error():
            run = run_from_params()
            closed = close_and_report(
                run, chosen["period"], login(answer), "approved in Airflow", chosen["publication_id"]
            )
            request_export(run, outlet_events)
        return closed

    chosen = choose()
    close_approved(chosen, ask.output)
    by_hand_or_not(chosen) >> [close_by_hand(chosen), ask]


close_period()
