"""Write each publication to PostgreSQL and as Parquet, if the settings want it.

**When.** When new marts are published, if `postgres_url` (or `postgres_url_file`) or `publish_parquet` is set; without
them no run is started, and one by hand is *skipped*. By hand: *Trigger*, or `amkpi publish`. A run that finds the
current publication there writes nothing, but a change of who may read what.

**When it fails.** The last line of the task's log says what, where and how to fix it. Fix it and clear the task, or
wait for the next publication: each run writes the current one.

- *PostgreSQL cannot be reached*: the retries wait for a restart of the server.
- *waited … for process …*: the structure changed after an upgrade, and a reader holds a table. End that session.
- *statements about roles wait* is no failure: docs/operations/postgres.md says what the administrator does.

**What readers see meanwhile.** In PostgreSQL and Parquet the publication before; in the published file, on pages and in
mails the new one.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from amkpi.interfaces.airflow.assets import assets_of
from amkpi.interfaces.airflow.names import ServedAgency, agencies_served
from amkpi.interfaces.airflow.task_defaults import dag_arguments, default_args
from amkpi.interfaces.airflow.task_run import log, raise_as_airflow_error, run_from_params


def export_marts(agency: ServedAgency) -> None:
    """The DAG of an agency; None: the only one of this Airflow."""

    @dag(
        **dag_arguments("export_marts", agency, __doc__, "marts"),
        schedule=assets_of(agency).export_due,
        # It only reads the published file. A DAG of its own, so that no build waits for a database that is down.
        default_args=default_args(agency, writes=False),
    )
    def define() -> None:
        @task
        def export() -> dict[str, str]:
            """Write what the settings want. Skips itself where they want nothing."""
            from amkpi.pipeline import exports

            with raise_as_airflow_error():
                run = run_from_params(agency)
                if not exports.is_wanted(run):
                    raise AirflowSkipException("neither postgres_url nor publish_parquet is set")
                lines = exports.export(run, log).lines
            for line in lines:
                log(line)
            return dict(line.split(": ", 1) for line in lines)

        export()

    define()


for each in agencies_served():
    export_marts(each)
