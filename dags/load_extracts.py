"""Take every extract that is ready in LANDING into `raw`, and ring for `build_marts` when rows came.

**When.** As soon as a file is ready: a watch looks into LANDING every second. And every ten minutes besides
(AMKPI_SWEEP_MINUTES), as a second net. Each run takes all that is ready, whoever rang. A run that finds nothing new is
*skipped*: no asset event, nothing is built. The event of each family that got rows says how many.

**When it fails.** The last line of the task's log says what, where and how to mend it. What was loaded before stays
loaded, the rest stays in landing/, and the next run takes it: there is nothing to clear or to repeat by hand. Rows
that came before the failure are rung for by the next run. A lock held by another run is waited for with the retries. A
file that cannot be read does not fail this DAG: it lies in rejected/ beside its `.reason.json`.

**What readers see meanwhile.** The last publication; loading never touches it.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from amkpi.interfaces.airflow.assets import (
    BEFORE_BUILDS,
    DEFAULT_ARGS,
    RAW,
    ROWS,
    WHEN,
    load_schedule,
    run_for_task,
    say,
    told_to_airflow,
)


@dag(
    schedule=load_schedule(WHEN),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["amkpi", "ingestion"],
    doc_md=__doc__,
)
def load_extracts() -> None:
    @task(outlets=[RAW], **BEFORE_BUILDS)
    def load(*, outlet_events: Any) -> dict[str, int]:
        """One look into LANDING. Skips itself when no build has anything to take up."""
        from amkpi.pipeline import steps

        with told_to_airflow():
            report = steps.load(run_for_task(), say)
        counts = {status: report.count(status) for status in ("loaded", "duplicate", "rejected")}
        if not report.unprocessed:
            raise AirflowSkipException(f"no new rows in landing: {counts}")
        for family, news in report.unprocessed.items():
            event = {"files": news.files, "rows": news.rows, "extracts": dict(news.extracts)}
            outlet_events[RAW].add(ROWS[family], extra=event)
        return {**counts, "rows": report.rows_read}

    load()


load_extracts()
