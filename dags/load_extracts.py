"""Take every extract that is ready in LANDING into `raw`, and ring for `build_marts` when rows came.

**When.** Every ten minutes. A sweep that finds nothing is *skipped*: no asset event, nothing is built.

**When it fails.** The last line of the task's log says what, where and how to mend it. What was loaded before stays
loaded, the rest stays in landing/, and the next sweep takes it: there is nothing to clear or to repeat by hand. Rows
that came before the failure are built with the next rows that come, at the latest at night. A lock held by another run
is waited for with the retries. A file that cannot be read does not fail this DAG: it lies in rejected/ beside its
`.reason.json`.

**What readers see meanwhile.** The last publication; loading never touches it.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from amkpi.orchestration import DEFAULT_ARGS, EVERY_TEN_MINUTES, RAW, run_for_task, say, told_to_airflow


@dag(
    schedule=EVERY_TEN_MINUTES,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["amkpi", "ingestion"],
    doc_md=__doc__,
)
def load_extracts() -> None:
    @task(outlets=[RAW])
    def load(*, outlet_events: Any) -> dict[str, int]:
        """One look into LANDING. Skips itself when no rows came: a skipped task emits no asset event."""
        from amkpi import steps

        with told_to_airflow():
            report = steps.load(run_for_task(), say)
        counts = {status: report.count(status) for status in ("loaded", "duplicate", "rejected")}
        if not report.rows_read:
            raise AirflowSkipException(f"no new rows in landing: {counts}")
        outlet_events[RAW].extra = {"run": report.run, "rows": report.rows_read, **counts}
        return {**counts, "rows": report.rows_read}

    load()


load_extracts()
