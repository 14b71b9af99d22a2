"""Load every extract that is ready in LANDING, and start `amkpi_build_marts` when there are new rows.

**When.** As soon as a file is ready: a trigger looks into LANDING every second. Also every ten minutes
(AMKPI_SWEEP_MINUTES), in case an event is lost. Each run takes every ready file, not just the one of its event. A run
that finds nothing new is *skipped*: no asset event, no build. Each family that received rows gets an event with counts.

**When it fails.** The last line of the task's log says what, where and how to fix it. What was loaded before stays
loaded, the rest stays in landing/, and the next run takes it. You do not have to clear or repeat anything. If rows were
loaded before the failure, the next run emits their event. A lock that another run holds is retried. A file that cannot
be read does not fail this DAG: it is moved to rejected/, with its `.reason.json`.

**What readers see meanwhile.** The last publication; loading never touches it.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from amkpi.interfaces.airflow.assets import assets_of
from amkpi.interfaces.airflow.names import ServedAgency, agencies_served
from amkpi.interfaces.airflow.schedules import SCHEDULE_SETTINGS, load_schedule
from amkpi.interfaces.airflow.task_defaults import PRIORITY_LOAD, dag_arguments, default_args
from amkpi.interfaces.airflow.task_run import log, raise_as_airflow_error, run_from_params


def load_extracts(agency: ServedAgency) -> None:
    """The DAG of an agency; None: the only one of this Airflow."""
    assets = assets_of(agency)

    @dag(
        **dag_arguments("load_extracts", agency, __doc__, "ingestion"),
        schedule=load_schedule(agency, SCHEDULE_SETTINGS),
        default_args=default_args(agency),
    )
    def define() -> None:
        @task(outlets=[assets.raw], **PRIORITY_LOAD)
        def load(*, outlet_events: Any) -> dict[str, int]:
            """Take what is ready in LANDING. The task is skipped when there is nothing for a build."""
            from amkpi.pipeline import steps

            with raise_as_airflow_error():
                report = steps.load(run_from_params(agency), log)
            counts = {status: report.count(status) for status in ("loaded", "duplicate", "rejected")}
            if not report.unprocessed:
                raise AirflowSkipException(f"no new rows in landing: {counts}")
            for family, news in report.unprocessed.items():
                event = {"files": news.files, "rows": news.rows, "extracts": dict(news.extracts)}
                outlet_events[assets.raw].add(assets.rows[family], extra=event)
            return {**counts, "rows": report.rows_read}

        load()

    define()


for each in agencies_served():
    load_extracts(each)
