"""Build the marts from `raw`, audit them, and publish them: readers see the new KPIs all at once, or the old ones.

**When.** Whenever `load_extracts` brought rows, and every night at 02:00 in AMKPI_TIMEZONE, since a new day alone
changes what is overdue. A run that finds nothing changed publishes nothing new. What became due while a run was going
on is built after it. By hand: *Trigger*, with

- `as_of` for another date than today. If the current publication has a later date, the result is a *historical*
  publication, `published/kpi_<publication id>.duckdb`, and `current.duckdb` stays. The last task logs the file.
- `rebuild` to make the warehouse anew from archive/ and state/ first: after a loss, or when in doubt.

**When it fails.** The last line of the failed task's log says what, where and how to mend it.

- `build` or `audit` blocked (no retries): the data breaks a rule. The line names it; have the source deliver better
  data, and what it delivers starts the next run by itself. `amkpi audit` shows each finding with its advice.
- Files that were loaded between the tasks are no failure: `audit` and `publish` then build again themselves.
- Anything else was retried three times. Mend what the line says, then clear the failed task.

**What readers see meanwhile.** The last good publication, for as long as it takes.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, Param, dag, task

from amkpi.interfaces.airflow.assets import (
    ANY_ROWS,
    BEGUN,
    DEFAULT_ARGS,
    LAST,
    MARTS,
    NIGHTLY,
    run_for_task,
    say,
    told_to_airflow,
)


@dag(
    schedule=AssetOrTimeSchedule(timetable=NIGHTLY, assets=ANY_ROWS),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "as_of": Param(None, type=["null", "string"], format="date", description="empty: today where the agency is"),
        "rebuild": Param(False, type="boolean", description="make the warehouse anew from archive/ and state/ first"),
    },
    tags=["amkpi", "marts"],
    doc_md=__doc__,
)
def build_marts() -> None:
    @task(**LAST)
    def build(*, params: Any) -> dict[str, Any]:
        """Build for the date asked for; the later tasks get it from here, so that no midnight comes between them."""
        from amkpi.pipeline import steps

        with told_to_airflow():
            run = run_for_task(params)
            if params["rebuild"]:
                steps.rebuild(run, say)
            report = steps.build(run, say)
        return {**run.to_xcom(), "models": report.models, "tests": report.tests}

    @task(**BEGUN)
    def audit(built: dict[str, Any]) -> dict[str, Any]:
        """Check what was let in and what would be let out."""
        from amkpi.pipeline import steps

        with told_to_airflow():
            run = run_for_task(built)
            report = steps.audit_afresh(run, say)
        for warning in report.warnings:
            say(f"{warning.suite}: {warning.expectation}: {warning.observed}; {warning.advice}")
        return {**run.to_xcom(), "expectations": len(report.findings), "warnings": len(report.warnings)}

    @task(outlets=[MARTS], **BEGUN)
    def publish(audited: dict[str, Any]) -> dict[str, Any]:
        """Switch `current.duckdb` to the new publication."""
        from amkpi.pipeline import steps

        with told_to_airflow():
            report = steps.publish_afresh(run_for_task(audited), say)
        if report.historical:
            say(f"historical publication: {report.file}; readers still see the later date")
        return {"publication": report.publication_id, "file": str(report.file), "historical": report.historical}

    publish(audit(build()))


build_marts()
