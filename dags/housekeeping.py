"""Every night: a backup of what cannot be computed anew, and away with what is of no more use.

**When.** Every day at 03:30 in AMKPI_TIMEZONE, after the night's publication.

- `back_up`: archive/, state/, sources/ and amkpi.toml into AMKPI_BACKUP_DIR (default HOME/backups; another disk is
  better), checked, while the pipeline works. Backups older than AMKPI_KEEP_BACKUP_DAYS go, the newest never.
- `prune_publications`: beyond AMKPI_KEEP_PUBLICATIONS and AMKPI_KEEP_DAILY_DAYS.
- `clean_airflow`: Airflow's records and task logs older than AMKPI_KEEP_AIRFLOW_DAYS.

**When it fails.** The last line of the failed task's log says what, where and how to mend it. The tasks do not wait for
each other. A backup that failed leaves nothing behind; mend the cause and clear the task. A backup is brought back by
`amkpi restore BACKUP --home EMPTY`.

**What readers see meanwhile.** The last publication; this DAG touches only old ones.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from airflow.sdk import dag, task

from amkpi.interfaces.airflow.assets import AFTER_THE_NIGHT, DEFAULT_ARGS, run_for_task, say, told_to_airflow


@dag(
    schedule=AFTER_THE_NIGHT,
    catchup=False,
    max_active_runs=1,
    # The warehouse's slot is for those who write it; what is pruned waits for HOME's lock with its retries.
    default_args={**DEFAULT_ARGS, "pool": "default_pool"},
    tags=["amkpi", "operations"],
    doc_md=__doc__,
)
def housekeeping() -> None:
    @task
    def back_up() -> dict[str, int | str]:
        """Copy what cannot be computed anew; then let the oldest copies go."""
        from amkpi.pipeline import steps

        with told_to_airflow():
            report, gone = steps.back_up(run_for_task(), say)
        return {"folder": str(report.folder), "files": report.files, "linked": report.linked, "removed": gone}

    @task
    def prune_publications() -> dict[str, int]:
        """Remove the publications that nobody needs any more."""
        from amkpi.pipeline import steps

        with told_to_airflow():
            return {"removed": steps.prune_publications(run_for_task())}

    @task
    def clean_airflow() -> dict[str, int]:
        """Remove old records and logs of Airflow."""
        from amkpi.interfaces.airflow.assets import clean_airflow

        with told_to_airflow():
            return {"logs removed": clean_airflow(run_for_task())}

    back_up()
    prune_publications()
    clean_airflow()


housekeeping()
