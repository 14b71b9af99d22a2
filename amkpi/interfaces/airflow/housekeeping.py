"""Removes old records of our DAGs from Airflow's database, and old logs of their tasks.

An Airflow may have DAGs of other teams, whose history is theirs: without the setting `clean_whole_airflow`, which the
stack sets, nothing of them is touched.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from amkpi.core.errors import AmkpiError
from amkpi.core.run import utc_now
from amkpi.interfaces.airflow.names import dag_ids

if TYPE_CHECKING:
    from amkpi.core.settings import Settings

# Airflow hides its database from tasks by these variables. A process that a task starts without them finds the database
# where the scheduler does: by `AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD`, or in airflow.cfg.
# The tables whose records belong to a DAG. Of the others (triggers, callbacks, import errors, …) nobody can tell whose.
_TABLES_BY_DAG = (
    "dag_run", "task_instance", "task_instance_history", "task_reschedule", "xcom", "log", "deadline", "dag_version",
)  # fmt: skip
_HIDING = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")


def clean(settings: Settings, moment: datetime | None = None) -> int:
    """Remove old records and task logs, as the settings say; returns how many logs. Raises AmkpiError.

    Removes nothing where `keep_airflow_days` is 0. moment: now when None.
    """
    from airflow.configuration import conf

    kept, moment = settings.retention, moment or utc_now()
    if not kept.airflow_days:
        return 0
    folder = Path(conf.get("logging", "base_log_folder"))
    ours = dag_ids()
    if kept.whole_airflow:
        clean_records(kept.airflow_days, moment, None)
    else:
        # The names of 3,000 DAGs would be more than one argument of a command may have.
        for start in range(0, len(ours), 1000):
            clean_records(kept.airflow_days, moment, ours[start : start + 1000])
    folders = [folder] if kept.whole_airflow else [folder / f"dag_id={dag_id}" for dag_id in ours]
    return sum(clean_logs(each, kept.airflow_days, moment) for each in folders)


def clean_records(keep_days: int, moment: datetime, dags: Sequence[str] | None) -> None:
    """Remove the records (runs, tasks, events, …) of these DAGs that are older than so many days; of all where None.

    Airflow keeps the last scheduled run of each DAG. Raises AmkpiError where its database cannot be reached.
    """
    before = (moment - timedelta(days=keep_days)).astimezone(UTC).isoformat(timespec="seconds")
    command = [sys.executable, "-m", "airflow", "db", "clean", "--yes", "--skip-archive"]
    if dags is not None:
        command += ["--dag-ids", ",".join(dags), "--tables", ",".join(_TABLES_BY_DAG)]
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
    """Remove files below a log folder that have not changed for so many days, and empty folders.

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
