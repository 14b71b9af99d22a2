"""Every night: back up what cannot be computed again, and remove what is no longer needed.

**When.** Every day at 03:30 in AMKPI_TIMEZONE, after the night's publication.

- `back_up`: archive/, state/, sources/ and amkpi.toml into AMKPI_BACKUP_DIR (default HOME/backups; another disk is
  better). The backup is checked. The pipeline may run at the same time. Backups older than AMKPI_KEEP_BACKUP_DAYS are
  removed, but never the newest.
- `check_state`: reads every page of every file of HOME/state/, and names each damaged one with its remedy.
- `prune_publications`: removes publications beyond AMKPI_KEEP_PUBLICATIONS and AMKPI_KEEP_DAILY_DAYS.
- `clean_airflow`: removes the records and task logs of amkpi's DAGs that are older than AMKPI_KEEP_AIRFLOW_DAYS. 0
  switches it off. AMKPI_CLEAN_WHOLE_AIRFLOW, which the stack sets, removes those of every DAG. With many agencies it is
  the only task of `amkpi_housekeeping`; the other tasks are in the DAG of each agency.

**When it fails.** The last line of the failed task's log says what, where and how to fix it. The tasks do not wait for
each other. A backup that failed leaves nothing behind: fix the cause and clear the task. `amkpi restore BACKUP --home
EMPTY` restores a backup. With many agencies each failure of `clean_airflow` is one mail to AMKPI_OPERATOR_EMAIL, and
none follows when it is over; without that variable it is only in the log.

**What readers see meanwhile.** The last publication; this DAG touches only old ones.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from airflow.sdk import dag, task

from amkpi.interfaces.airflow.names import ServedAgency, agencies_served, serves_many
from amkpi.interfaces.airflow.schedules import after_nightly, common_settings
from amkpi.interfaces.airflow.task_defaults import SHARED_ARGS, dag_arguments, default_args
from amkpi.interfaces.airflow.task_run import log, raise_as_airflow_error, run_from_params


def housekeeping(agency: ServedAgency) -> None:
    """The DAG of an agency; None: the only one of this Airflow."""

    @dag(
        **dag_arguments("housekeeping", agency, __doc__, "operations"),
        schedule=after_nightly(agency),
        # No task here writes the warehouse. If another run holds HOME's lock, the retries wait for it.
        default_args=default_args(agency, writes=False),
    )
    def define() -> None:
        @task
        def back_up() -> dict[str, int | str]:
            """Copy what cannot be computed again; then remove the oldest copies."""
            from amkpi.pipeline import steps

            with raise_as_airflow_error():
                report, gone = steps.back_up(run_from_params(agency), log)
            return {"folder": str(report.folder), "files": report.files, "linked": report.linked, "removed": gone}

        @task
        def check_state() -> dict[str, int]:
            """Read every page of every file of HOME/state/."""
            from amkpi.pipeline import steps

            with raise_as_airflow_error():
                return {"files": steps.check_state(run_from_params(agency))}

        @task
        def prune_publications() -> dict[str, int]:
            """Remove the publications beyond the settings."""
            from amkpi.pipeline import steps

            with raise_as_airflow_error():
                return {"removed": steps.prune_publications(run_from_params(agency))}

        back_up()
        check_state()
        prune_publications()
        if agency is None:
            clean_airflow()

    define()


@task
def clean_airflow() -> dict[str, int]:
    """Remove old records and logs of our DAGs."""
    from amkpi.interfaces.airflow import housekeeping

    with raise_as_airflow_error():
        return {"logs removed": housekeeping.clean(common_settings() or run_from_params(None).settings)}


def housekeeping_of_all() -> None:
    """The DAG for what many agencies share: Airflow's records."""

    @dag(
        **dag_arguments("housekeeping", None, __doc__, "operations"),
        schedule=after_nightly(None),
        default_args=SHARED_ARGS,
    )
    def define() -> None:
        clean_airflow()

    define()


for each in agencies_served():
    housekeeping(each)
if serves_many():
    housekeeping_of_all()
