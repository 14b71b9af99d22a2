"""What grows by itself: Airflow's records and logs, and how the DAG calls the steps."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.airflow import housekeeping

pytestmark = pytest.mark.slow  # an Airflow of its own, and one command of it

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_old_records_of_airflow_go_though_tasks_cannot_see_its_database(
    airflow: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    database = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    with create_session() as session:
        for name, age in (("amkpi old", 31), ("amkpi young", 29)):
            record = Log(name)
            record.dttm = NOW - timedelta(days=age)
            session.add(record)
    # As the supervisor of a task leaves it, where the stack names its database by a command.
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", f"printf %s {database}")
    housekeeping.clean_records(30, NOW)
    with create_session() as session:
        events = set(session.scalars(select(Log.event).where(Log.event.startswith("amkpi"))))
    assert events == {"amkpi young"}
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "printf %s sqlite:////nowhere/at/all.db")
    with pytest.raises(AmkpiError, match=r"airflow db clean failed: .*nable to open"):
        housekeeping.clean_records(30, NOW)
    # Airflow itself calls this a success.
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", f"printf %s sqlite:///{tmp_path}/another.db")
    with pytest.raises(AmkpiError, match="dag_run not found"):
        housekeeping.clean_records(30, NOW)


def test_old_logs_go_and_the_folders_that_they_leave_empty(tmp_path: Path) -> None:
    old = (NOW - timedelta(days=31)).timestamp()
    for name in ("dag/run1/task.log", "dag/run2/task.log", "dag/run2/new.log"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "latest").symlink_to("nowhere")
    for path in (tmp_path / "dag/run1/task.log", tmp_path / "dag/run2/task.log", tmp_path / "latest"):
        os.utime(path, (old, old), follow_symlinks=False)
    assert housekeeping.clean_logs(tmp_path, 30, NOW) == 3
    assert sorted(path.name for path in tmp_path.rglob("*.log")) == ["new.log"]
    os.utime(tmp_path / "dag/run1", (old, old))
    housekeeping.clean_logs(tmp_path, 30, NOW)
    assert not (tmp_path / "dag" / "run1").exists()
    assert (tmp_path / "dag" / "run2").exists()


def test_the_tasks_do_not_wait_for_each_other_and_one_that_fails_leaves_the_rest_alone(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned: list[tuple[int, Path | None]] = []

    def refuses(*given: Any) -> Any:
        raise AmkpiError("the disk is full")

    monkeypatch.setattr(
        "amkpi.interfaces.airflow.housekeeping.clean_records", lambda days, moment: cleaned.append((days, None))
    )
    monkeypatch.setattr(
        "amkpi.interfaces.airflow.housekeeping.clean_logs", lambda folder, days, moment: cleaned.append((days, folder))
    )
    monkeypatch.setattr("amkpi.pipeline.steps.back_up", refuses)
    dag = bag.dags["housekeeping"]
    for task in dag.tasks:
        task.retry_delay, task.retry_exponential_backoff = timedelta(0), 0
    run = dag.test()
    states = {each.task_id: each.state for each in run.get_task_instances()}
    assert states == {"back_up": "failed", "prune_publications": "success", "clean_airflow": "success"}
    logs = Path(os.environ["AIRFLOW_HOME"]) / "logs"
    assert cleaned == [(30, None), (30, logs)]


def test_the_backup_is_made_by_the_step(bag: Any, home: Path) -> None:
    (home / "sources").mkdir()
    (home / "sources" / "crm.yml").write_text("# the agency's own\n")
    run = bag.dags["housekeeping"].get_task("back_up")
    assert run.execution_timeout <= timedelta(hours=1)
    report = run.python_callable()
    assert (Path(report["folder"]) / "sources" / "crm.yml").is_file()
