"""What grows by itself: Airflow's records and logs, and how the DAG calls the steps."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.airflow import housekeeping
from amkpi.interfaces.airflow.task_run import run_from_params

pytestmark = pytest.mark.slow  # an Airflow of its own, and one command of it

CONNECTION = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
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
    housekeeping.clean_records(30, NOW, None)
    with create_session() as session:
        events = set(session.scalars(select(Log.event).where(Log.event.startswith("amkpi"))))
    assert events == {"amkpi young"}
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "printf %s sqlite:////nowhere/at/all.db")
    with pytest.raises(AmkpiError, match=r"airflow db clean failed: .*nable to open"):
        housekeeping.clean_records(30, NOW, None)
    # Airflow itself calls this a success.
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", f"printf %s sqlite:///{tmp_path}/another.db")
    with pytest.raises(AmkpiError, match="dag_run not found"):
        housekeeping.clean_records(30, NOW, None)


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


STRANGER = """
from airflow.sdk import dag, task

@dag(dag_id="payroll")
def payroll():
    @task
    def load_extracts():
        return 1
    load_extracts()

payroll()
"""


def histories() -> dict[str, tuple[int, ...]]:
    """How many runs, tasks, results and events Airflow has of each DAG."""
    from airflow.models import DagRun, TaskInstance
    from airflow.models.log import Log
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    tables = (DagRun, TaskInstance, XComModel, Log)
    with create_session() as session:
        return {
            dag_id: tuple(
                session.scalar(select(func.count()).select_from(each).where(each.dag_id == dag_id)) for each in tables
            )
            for dag_id in ("payroll", "amkpi_load_extracts")
        }


def test_of_a_stranger_s_dag_no_run_record_or_log_goes_without_the_setting(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow.configuration import conf
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models import DagRun, TaskInstance
    from airflow.models.log import Log
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    logs = Path(conf.get("logging", "base_log_folder"))
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "payroll.py").write_text(STRANGER)
    strangers = DagBag(folder, bundle_path=folder, bundle_name="dags-folder")
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(strangers, "dags-folder", None)
    stranger, ours = strangers.dags["payroll"], bag.dags["amkpi_load_extracts"]
    assert stranger.test().state == "success"
    ours.test()
    for dag_id in (stranger.dag_id, ours.dag_id):
        path = logs / f"dag_id={dag_id}" / "run_id=1" / "attempt=1.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    foreign = logs / "scheduler" / "latest.log"
    foreign.parent.mkdir(exist_ok=True)
    foreign.touch()
    os.utime(foreign, (0, 0))
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    with create_session() as session:
        for dag_id in (stranger.dag_id, ours.dag_id):
            event = Log("run")
            event.dag_id = dag_id
            session.add(event)
        session.flush()
        session.execute(update(DagRun).values(start_date=long_ago))
        session.execute(update(TaskInstance).values(start_date=long_ago))
        session.execute(update(XComModel).values(timestamp=long_ago))
        session.execute(update(Log).values(dttm=long_ago))
    before = histories()
    assert min(before["payroll"]) > 0
    assert before["amkpi_load_extracts"][0] > 0

    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", f"printf %s {os.environ[CONNECTION]}")
    monkeypatch.setenv(CONNECTION, "airflow-db-not-allowed:///")
    assert housekeeping.clean(run_from_params(None).settings) >= 1
    assert histories() == {"payroll": before["payroll"], "amkpi_load_extracts": (0, 0, 0, 0)}
    assert (logs / "dag_id=payroll" / "run_id=1" / "attempt=1.log").exists()
    assert not (logs / "dag_id=amkpi_load_extracts" / "run_id=1" / "attempt=1.log").exists()
    assert foreign.exists()


def test_the_bundle_makes_the_pool_where_it_is_missing_and_tells_of_one_with_more_slots(
    airflow: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.models.pool import Pool

    from amkpi.interfaces.airflow.dag_bundle import PackagedDagBundle

    caplog.set_level("INFO")

    def start(context: str) -> list[str]:
        caplog.clear()
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", context)
        PackagedDagBundle(name="amkpi").initialize()
        return [each.getMessage() for each in caplog.records if each.name.startswith("amkpi.")]

    Pool.delete_pool("amkpi_warehouse")
    assert start("client") == [], "a task may not open Airflow's database"
    assert start("server") == ["the pool amkpi_warehouse was missing, and is made with one slot"]
    assert Pool.get_pool("amkpi_warehouse").slots == 1
    assert start("server") == []
    Pool.create_or_update_pool("amkpi_warehouse", slots=3, description="", include_deferred=False)
    (line,) = start("server")
    assert line.startswith("the pool amkpi_warehouse has 3 slots, but one process may write: run `airflow pools set")
    assert Pool.get_pool("amkpi_warehouse").slots == 3, "somebody has set it"
    Pool.create_or_update_pool("amkpi_warehouse", slots=1, description="", include_deferred=False)


def test_the_tasks_do_not_wait_for_each_other_and_one_that_fails_leaves_the_rest_alone(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned: list[tuple[int, Any]] = []

    def refuses(*given: Any) -> Any:
        raise AmkpiError("the disk is full")

    monkeypatch.setattr(housekeeping, "clean_records", lambda days, moment, dags: cleaned.append((days, dags)))
    monkeypatch.setattr(housekeeping, "clean_logs", lambda folder, days, moment: cleaned.append((days, folder)) or 0)
    monkeypatch.setattr("amkpi.pipeline.steps.back_up", refuses)
    monkeypatch.setenv("AMKPI_CLEAN_WHOLE_AIRFLOW", "true")
    dag = bag.dags["amkpi_housekeeping"]
    for task in dag.tasks:
        task.retry_delay, task.retry_exponential_backoff = timedelta(0), 0
    run = dag.test()
    states = {each.task_id: each.state for each in run.get_task_instances()}
    assert states == {
        "back_up": "failed", "check_state": "success", "prune_publications": "success", "clean_airflow": "success",
    }  # fmt: skip
    logs = Path(os.environ["AIRFLOW_HOME"]) / "logs"
    assert cleaned == [(30, None), (30, logs)]


def test_the_backup_is_made_by_the_step(bag: Any, home: Path) -> None:
    (home / "sources").mkdir()
    (home / "sources" / "crm.yml").write_text("# the agency's own\n")
    run = bag.dags["amkpi_housekeeping"].get_task("back_up")
    assert run.execution_timeout <= timedelta(hours=1)
    report = run.python_callable()
    assert (Path(report["folder"]) / "sources" / "crm.yml").is_file()
