"""What grows by itself and is of no more use: old records of Airflow, and the logs of its tasks."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from amkpi.core.errors import AmkpiError

# Airflow hides its database from tasks by these. What a task starts may find it again where the scheduler has it: by
# `AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD`, or in airflow.cfg.
_HIDING = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")


def clean_airflow(keep_days: int, moment: datetime) -> None:
    """Remove Airflow's records (runs, tasks, events, …) that are older than so many days.

    Airflow keeps the last scheduled run of each DAG. Raises AmkpiError where its database cannot be reached.
    """
    before = (moment - timedelta(days=keep_days)).astimezone(UTC).isoformat(timespec="seconds")
    command = [sys.executable, "-m", "airflow", "db", "clean", "--yes", "--skip-archive"]
    environment = {name: value for name, value in os.environ.items() if name not in _HIDING}
    done = subprocess.run(
        [*command, "--clean-before-timestamp", before], env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    # A database that is not Airflow's, or is a new one, is cleaned of nothing, and that is called a success.
    if done.returncode or "Table dag_run not found" in said:
        lines = said.strip().splitlines() or ["it said nothing"]
        why = next((line for line in reversed(lines) if "Error" in line or "dag_run not found" in line), lines[-1])
        raise AmkpiError(
            f"airflow db clean failed: {why}; tasks must find the database by"
            " AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD or airflow.cfg"
        )


def clean_logs(folder: Path, keep_days: int, moment: datetime) -> int:
    """Remove the files below Airflow's log folder that nobody wrote to for so many days, and the folders left empty.

    Returns how many files.
    """
    oldest = (moment - timedelta(days=keep_days)).timestamp()
    gone = 0
    for path in sorted(folder.rglob("*"), reverse=True):  # what lies deeper comes first
        if path.is_dir() and not path.is_symlink():
            if path.stat().st_mtime < oldest and not any(path.iterdir()):
                path.rmdir()
        elif path.lstat().st_mtime < oldest:
            path.unlink()
            gone += 1
    return gone
