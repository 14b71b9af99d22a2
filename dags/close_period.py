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

from amkpi.interfaces.airflow.assets import assets_of
from amkpi.interfaces.airflow.closing.approval import AskToClose
from amkpi.interfaces.airflow.names import ServedAgency, agencies_served
from amkpi.interfaces.airflow.schedules import SCHEDULE_SETTINGS, in_the_morning
from amkpi.interfaces.airflow.task_defaults import NO_POOL, PRIORITY_FINISH_STARTED, dag_arguments, default_args
from amkpi.interfaces.airflow.task_run import raise_as_airflow_error, request_export, run_from_params


def close_period(agency: ServedAgency) -> None:
    """The DAG of an agency; None: the only one of this Airflow."""
    assets = assets_of(agency)

    @dag(
        **dag_arguments("close_period", agency, __doc__, "closing"),
        schedule=AssetOrTimeSchedule(timetable=in_the_morning(agency), assets=assets.answered),
        default_args=default_args(agency),
        params={
            "period": Param(None, type=["null", "string"], description="2026-09, 2026-Q3 or 2026; empty: what is due"),
            "by": Param(None, type=["null", "string"], description="who closes it"),
            "note": Param(None, type=["null", "string"], description="why, for those who ask later"),
        },
    )
    def define() -> None:
        @task(pool=NO_POOL)
        def choose(*, params: Any) -> dict[str, str]:
            """The period that a person named, or the question about the one that is due. Skips itself without one."""
            from amkpi.interfaces.airflow.closing.answers import question

            if params["period"]:
                return {"period": params["period"], "by": params["by"] or "", "note": params["note"] or ""}
            with raise_as_airflow_error():
                asked = question(run_from_params(agency))
            if asked is None:
                raise AirflowSkipException("no period is to be closed")
            return asked

        @task.branch(pool=NO_POOL)
        def by_hand_or_not(chosen: dict[str, str]) -> str:
            """The next task: `close_by_hand` if a period was given, else `ask`."""
            return "close_by_hand" if "by" in chosen else "ask"

        @task(outlets=[assets.marts, assets.export, assets.answered], **PRIORITY_FINISH_STARTED)
        def close_by_hand(chosen: dict[str, str], *, outlet_events: Any) -> dict[str, str]:
            """Close what was named."""
            from amkpi.interfaces.airflow.closing.answers import close_and_report

            with raise_as_airflow_error():
                run = run_from_params(agency)
                closed = close_and_report(run, chosen["period"], chosen["by"], chosen["note"])
                request_export(run, assets, outlet_events)
            return closed

        ask = AskToClose(
            task_id="ask",
            subject="{{ ti.xcom_pull(task_ids='choose')['subject'] }}",
            body="{{ ti.xcom_pull(task_ids='choose')['body'] }}",
            response_timeout=timedelta(hours=SCHEDULE_SETTINGS.closing.approval_hours),
            pool=NO_POOL,
        )

        @task(outlets=[assets.marts, assets.export, assets.answered], **PRIORITY_FINISH_STARTED)
        def close_approved(chosen: dict[str, str], answer: dict[str, Any], *, outlet_events: Any) -> dict[str, str]:
            """Close the publication that was shown; where another one is current, ask again."""
            from amkpi.interfaces.airflow.closing.answers import close_and_report, login

            with raise_as_airflow_error():
                run = run_from_params(agency)
                closed = close_and_report(
                    run, chosen["period"], login(answer), "approved in Airflow", chosen["publication_id"]
                )
                request_export(run, assets, outlet_events)
            return closed

        chosen = choose()
        close_approved(chosen, ask.output)
        by_hand_or_not(chosen) >> [close_by_hand(chosen), ask]

    define()


for each in agencies_served():
    close_period(each)
