"""Build the marts from the loaded rows, audit them, and publish them. Readers see the new KPIs all at once.

**When.** When `amkpi_load_extracts` has loaded rows, and every night at 02:00 in AMKPI_TIMEZONE, because a new day
alone changes what is overdue. A run that finds nothing changed publishes nothing. Rows that come during a run are built
by the next one. By hand: *Trigger*, with

- `as_of` for another date than today.
- `current` to switch readers to it although they see a later date.
- `rebuild` to make the warehouse again from archive/ and state/ first: after a loss, or when in doubt.

If the current publication has a later date than the run, because somebody published it by hand, the result is a
*historical* publication, `published/kpi_<publication id>.duckdb`, and `current.duckdb` stays. The last task logs the
file. The nightly run does the same, until that date.

Before the first file was loaded, a run is *skipped*.

**When it fails.** The last line of the failed task's log says what, where and how to fix it.

- `build` or `audit` is blocked (no retries): the data breaks a rule, and the line names it. The source system has to
  deliver better data; its next delivery starts a run. `amkpi audit` shows each finding with its advice.
- Files that are loaded between the tasks are no failure: `audit` and `publish` then build again themselves.
- Anything else was retried three times. Fix what the line says, then clear the failed task.

**What readers see meanwhile.** The last good publication, as long as it takes.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, Param, dag, task

from amkpi.interfaces.airflow.assets import assets_of
from amkpi.interfaces.airflow.names import ServedAgency, agencies_served
from amkpi.interfaces.airflow.schedules import nightly
from amkpi.interfaces.airflow.task_defaults import PRIORITY_FINISH_STARTED, build_priority, dag_arguments, default_args
from amkpi.interfaces.airflow.task_run import log, raise_as_airflow_error, request_export, run_from_params, run_step


def build_marts(agency: ServedAgency) -> None:
    """The DAG of an agency; None: the only one of this Airflow."""
    assets = assets_of(agency)

    @dag(
        **dag_arguments("build_marts", agency, __doc__, "marts"),
        schedule=AssetOrTimeSchedule(timetable=nightly(agency), assets=assets.any_rows),
        default_args=default_args(agency),
        params={
            "as_of": Param(None, type=["null", "string"], format="date", description="empty: today at the agency"),
            "current": Param(
                False, type="boolean", description="readers see this date, also if they see a later one now"
            ),
            "rebuild": Param(
                False, type="boolean", description="make the warehouse again from archive/ and state/ first"
            ),
        },
    )
    def define() -> None:
        @task(**build_priority(agency))
        def build(*, params: Any) -> dict[str, Any]:
            """Build for a date. The later tasks get the date from this one: it stays the same after midnight."""
            from amkpi.pipeline import steps

            with raise_as_airflow_error():
                run = run_from_params(agency, params)
                if params["rebuild"]:
                    run_step(steps.rebuild, run)
                report = run_step(steps.build, run)
            return {**run.to_xcom(), "models": report.models, "tests": report.tests}

        @task(**PRIORITY_FINISH_STARTED)
        def audit(built: dict[str, Any]) -> dict[str, Any]:
            """Check the input and the marts."""
            from amkpi.pipeline import steps

            with raise_as_airflow_error():
                run = run_from_params(agency, built)
                report = run_step(steps.audit_rebuilding_if_stale, run)
            for warning in report.warnings:
                log(f"{warning.suite}: {warning.expectation}: {warning.observed}; {warning.advice}")
            return {**run.to_xcom(), "expectations": len(report.findings), "warnings": len(report.warnings)}

        @task(outlets=[assets.marts, assets.export], **PRIORITY_FINISH_STARTED)
        def publish(audited: dict[str, Any], *, outlet_events: Any) -> dict[str, Any]:
            """Switch `current.duckdb` to the new publication."""
            from amkpi.pipeline import steps

            with raise_as_airflow_error():
                run = run_from_params(agency, audited)
                report = run_step(steps.publish_rebuilding_if_stale, run)
                request_export(run, assets, outlet_events)
            if report.repaired:
                log(f"somebody had written into {report.file}: it is written again")
            if report.historical:
                log(
                    f"historical publication: {report.file}; readers still see the later date; the param `current`"
                    f" switches them to {run.as_of:%d/%m/%Y}"
                )
            return {"publication": report.publication_id, "file": str(report.file), "historical": report.historical}

        publish(audit(build()))

    define()


for each in agencies_served():
    build_marts(each)
