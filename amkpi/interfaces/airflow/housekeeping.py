"""Removes old records of Airflow and old logs of its tasks."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from amkpi.core.errors import AmkpiError

if TYPE_CHECKING:
    from amkpi.core.run import Run

# Airflow hides its database from tasks by these variables. A process that a task starts without them finds the database
# where the scheduler does: by `AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD`, or in airflow.cfg.
_HIDING = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")


def clean(run: Run) -> int:
    """Remove Airflow's old records and task logs, as the setting says; returns how many logs. Raises AmkpiError.

    Removes nothing where the setting is 0.
    """
    from airflow.configuration import conf

    days, moment = run.settings.retention.airflow_days, run.now()
    if not days:
        return 0
    clean_records(days, moment)
    return clean_logs(Path(conf.get("logging", "base_log_folder")), days, moment)


def clean_records(keep_days: int, moment: datetime) -> None:
    """Remove Airflow's records (runs, tasks, events, …) that are older than so many days.

    Airflow keeps the last scheduled run of each DAG. Raises AmkpiError where its database cannot be reached.
    """
    before = (moment - timedelta(days=keep_days)).astimezone(UTC).isoformat(timespec="seconds")
    command = [sys.executable, "-m", "airflow", "db", "clean", "--yes", "--skip-archive"]
    environment = {name: value for name, value in os.environ.items() if name not in _HIDING}
    done = subprocess.run(
        [*command, "--clean-before-timestamp", before], env=environment, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    # For a database that is empty or not Airflow's, the command removes nothing and reports success.
    if done.returncode or "Table dag_run not found" in output:
        lines = output.strip().splitlines() or ["no output"]
        why = next((line for line in reversed(lines) if "Error" in line or "dag_run not found" in line), lines[-1])
        raise AmkpiError(
            f"airflow db clean failed: {why}; tasks must find the database by"
            " AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD or airflow.cfg"
        )


def clean_logs(folder: Path, keep_days: int, moment: datetime) -> int:
    """Remove files below Airflow's log folder that have not changed for so many days, and empty folders.

    Returns how many files.
    """
    oldest = (moment - timedelta(days=keep_days)).timestamp()
    removed = 0
    for path in sorted(folder.rglob("*"), reverse=True):  # deeper paths first
        if path.is_dir() and not path.is_symlink():
            if path.stat().st_mtime < oldest and not any(path.iterdir()):
                path.rmdir()
        elif path.lstat().st_mtime < oldest:
            path.unlink()
            removed += 1
    return removed
