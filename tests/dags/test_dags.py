"""The DAG files: what every one must have, what joins the two, and how a step's failure becomes a task's."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from amkpi.alerts.store import AlertStore
from amkpi.core.errors import AmkpiError, AuditBlocked, NothingLoaded
from amkpi.core.home import Home
from amkpi.core.paths import DAGS
from amkpi.ingestion.unprocessed import Unprocessed

pytestmark = pytest.mark.slow  # the first import of Airflow costs 7 s, its database 4 s


DAG_IDS = (
    "amkpi_load_extracts", "amkpi_build_marts", "amkpi_close_period", "amkpi_export_marts", "amkpi_send_scorecards",
    "amkpi_watch_over", "amkpi_housekeeping",
)  # fmt: skip
# They write no warehouse: no need of the one writer's slot.
WITHOUT_THE_SLOT = {"amkpi_export_marts", "amkpi_send_scorecards", "amkpi_watch_over", "amkpi_housekeeping"}
# They read what is published, or wait for a person.
TASKS_WITHOUT_THE_SLOT = {"amkpi_close_period.choose", "amkpi_close_period.by_hand_or_not", "amkpi_close_period.ask"}
AN_HOUR = timedelta(hours=1)


def loads(unprocessed: dict[str, Unprocessed] | None = None, **counts: int) -> Any:
    """A load that reports this, and touches nothing."""
    rows = sum(news.rows for news in (unprocessed or {}).values())
    report = SimpleNamespace(
        run=1, rows_read=rows, unprocessed=unprocessed or {}, count=lambda status: counts.get(status, 0)
    )
    return lambda run, progress: report


ONE_CLIENT = {"contract": Unprocessed(1, 1, {"clients": 1})}


def asset_events() -> list[tuple[str, Any]]:
    """Each event's asset and what it says, in their order."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return [(event.name, event.extra) for event in session.scalars(select(AssetEvent).order_by(AssetEvent.id))]


def take_due() -> set[str]:
    """The DAGs that assets made due; afterwards none is."""
    from airflow.models.asset import AssetDagRunQueue
    from airflow.utils.session import create_session
    from sqlalchemy import delete, select

    with create_session() as session:
        due = set(session.scalars(select(AssetDagRunQueue.target_dag_id)))
        session.execute(delete(AssetDagRunQueue))
    return due


def states(run: Any) -> dict[str, str | None]:
    return {instance.task_id: instance.state for instance in run.get_task_instances()}


def hurry(dag: Any) -> Any:
    """The same DAG with retries that do not wait: a test that fails should not do so after seven minutes."""
    for task in dag.tasks:
        task.retry_delay, task.retry_exponential_backoff = timedelta(0), 0
    return dag


def test_every_dag_file_is_read_without_an_error(bag: Any) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == set(DAG_IDS)


def test_dags_and_assets_have_names_that_no_other_team_has(bag: Any) -> None:
    from amkpi.interfaces.airflow.assets import SWEEP, assets_of, landing_asset
    from amkpi.interfaces.airflow.names import dag_ids

    assert dag_ids() == sorted(DAG_IDS)
    ours = assets_of(None)
    named = [SWEEP, landing_asset(None, watched=True), *ours.rows.values(), ours.raw, ours.marts, ours.export_due]
    assert {each.name for each in (*named, ours.export, ours.answered)} == {
        "amkpi_sweep", "amkpi_landing", "amkpi_raw_contract", "amkpi_raw_project", "amkpi_raw_survey",
        "amkpi_raw_reference", "amkpi_raw", "amkpi_marts", "amkpi_export_due", "amkpi_export", "amkpi_closing_answered",
    }  # fmt: skip


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_dag_says_whose_it_is_and_what_to_do_when_it_fails(bag: Any, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert dag.owner == "amkpi"
    assert "amkpi" in dag.tags
    for part in ("**When it fails.**", "**What readers see meanwhile.**"):
        assert part in dag.doc_md


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_dag_runs_once_at_a_time_and_does_not_run_for_the_past(bag: Any, dag_id: str) -> None:
    assert bag.dags[dag_id].max_active_runs == 1
    assert bag.dags[dag_id].catchup is False


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_task_is_retried_ends_in_time_and_waits_for_the_one_writer(bag: Any, dag_id: str) -> None:
    assert bag.dags[dag_id].tasks
    for task in bag.dags[dag_id].tasks:
        assert task.retries >= 1
        assert task.retry_exponential_backoff > 1  # 1 is a constant wait
        assert timedelta(0) < task.execution_timeout <= AN_HOUR
        is_free = dag_id in WITHOUT_THE_SLOT or f"{dag_id}.{task.task_id}" in TASKS_WITHOUT_THE_SLOT
        assert task.pool == ("default_pool" if is_free else "amkpi_warehouse")


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_task_tells_the_operator_when_it_fails_but_for_the_one_that_tells(bag: Any, dag_id: str) -> None:
    from amkpi.interfaces.airflow.callbacks import on_task_failure, on_task_start, on_task_success

    for task in bag.dags[dag_id].tasks:
        if dag_id == "amkpi_watch_over":
            assert not task.has_on_failure_callback
        else:
            assert list(task.on_execute_callback) == [on_task_start]
            assert list(task.on_failure_callback) == [on_task_failure]
            assert list(task.on_success_callback) == list(task.on_skipped_callback) == [on_task_success]


def test_the_pool_lets_one_writer_in(airflow: None) -> None:
    from airflow.models.pool import Pool

    assert Pool.get_pool("amkpi_warehouse").slots == 1


def test_reading_the_dag_files_imports_nothing_heavy() -> None:
    code = (
        "import runpy, sys\n"
        f"for path in {[str(path) for path in sorted(DAGS.glob('*.py'))]}: runpy.run_path(path)\n"
        "print(sorted({'great_expectations', 'pandas', 'dbt', 'duckdb', 'pyarrow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_marts_are_built_on_new_rows_of_any_family_and_every_night_at_two(bag: Any) -> None:
    from airflow.sdk import AssetAny

    schedule = bag.dags["amkpi_build_marts"].timetable
    assert isinstance(schedule.asset_condition, AssetAny)
    families = {asset.name for asset in schedule.asset_condition.objects}
    assert families == {"amkpi_raw_contract", "amkpi_raw_project", "amkpi_raw_survey", "amkpi_raw_reference"}
    assert schedule.timetable.expression == "0 2 * * *"
    assert str(schedule.timetable.timezone) == "Asia/Ho_Chi_Minh"


def test_marts_are_built_then_audited_then_published(bag: Any) -> None:
    dag = bag.dags["amkpi_build_marts"]
    assert [task.task_id for task in dag.topological_sort()] == ["build", "audit", "publish"]
    assert dag.get_task("audit").upstream_task_ids == {"build"}
    assert dag.get_task("publish").upstream_task_ids == {"audit"}


def test_what_was_begun_goes_before_a_load_and_a_load_before_a_build(bag: Any) -> None:
    from airflow.task.weight_rule import WeightRule

    load = bag.dags["amkpi_load_extracts"].get_task("load")
    build, audit, publish = (bag.dags["amkpi_build_marts"].get_task(name) for name in ("build", "audit", "publish"))
    assert build.priority_weight < load.priority_weight < min(audit.priority_weight, publish.priority_weight)
    # What comes after a task must not make it heavier.
    assert {task.weight_rule for task in (load, build, audit, publish)} == {WeightRule.ABSOLUTE}


def test_a_load_that_brought_rows_rings_for_their_families_alone(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    news = {
        "contract": Unprocessed(2, 7, {"clients": 3, "contracts": 4}),
        "survey": Unprocessed(1, 5, {"peer_reviews": 5}),
    }
    monkeypatch.setattr("amkpi.pipeline.steps.load", loads(news, loaded=3, rejected=1))
    take_due()
    before = len(asset_events())
    run = hurry(bag.dags["amkpi_load_extracts"]).test()
    assert states(run) == {"load": "success"}
    assert dict(asset_events()[before:]) == {
        "amkpi_raw_contract": {"files": 2, "rows": 7, "extracts": {"clients": 3, "contracts": 4}},
        "amkpi_raw_survey": {"files": 1, "rows": 5, "extracts": {"peer_reviews": 5}},
    }
    assert take_due() == {"amkpi_build_marts"}


@pytest.mark.parametrize("counts", [{}, {"duplicate": 1}, {"rejected": 1}], ids=["nothing", "a duplicate", "a reject"])
def test_a_load_that_brought_no_rows_is_skipped_and_makes_nothing_due(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch, counts: dict[str, int]
) -> None:
    monkeypatch.setattr("amkpi.pipeline.steps.load", loads(**counts))
    take_due()
    before = len(asset_events())
    run = hurry(bag.dags["amkpi_load_extracts"]).test()
    assert (run.state, states(run)) == ("success", {"load": "skipped"})
    assert len(asset_events()) == before
    assert take_due() == set()


def test_the_tasks_call_the_steps_of_the_command_line_all_for_one_date(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, date, Path]] = []

    def step(name: str, report: Any) -> Any:
        def call(run: Any, progress: Any) -> Any:
            calls.append((name, run.as_of, run.home.root))
            monkeypatch.setenv("AMKPI_AS_OF", "2026-10-18")  # midnight comes between the tasks
            return report

        return call

    monkeypatch.setattr("amkpi.pipeline.steps.build", step("build", SimpleNamespace(models=1, tests=1)))
    monkeypatch.setattr("amkpi.pipeline.steps.audit", step("audit", SimpleNamespace(findings=(), warnings=())))
    monkeypatch.setattr(
        "amkpi.pipeline.steps.publish",
        step("publish", SimpleNamespace(publication_id="a", file=home, historical=False, repaired=False)),
    )
    run = hurry(bag.dags["amkpi_build_marts"]).test()
    assert run.state == "success"
    day = date(2026, 10, 17)
    assert calls == [("build", day, home), ("audit", day, home), ("publish", day, home)]


def test_tasks_that_build_and_audit_do_so_in_the_python_of_the_setting(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []
    results = {
        "build": SimpleNamespace(models=1, tests=1),
        "audit_rebuilding_if_stale": SimpleNamespace(findings=(), warnings=()),
        "publish_rebuilding_if_stale": SimpleNamespace(publication_id="a", file=home, historical=False, repaired=False),
    }

    def call(python: str, step: Any, run: Any, *, progress: Any) -> Any:
        asked.append((python, step.__name__))
        return results[step.__name__]

    monkeypatch.setattr("amkpi.pipeline.step_process.call", call)
    monkeypatch.setenv("AMKPI_TASK_PYTHON", "/opt/kpis/bin/python")
    assert hurry(bag.dags["amkpi_build_marts"]).test().state == "success"
    assert asked == [("/opt/kpis/bin/python", name) for name in results]


@pytest.mark.parametrize(
    ("name", "value", "woken"),
    [("AMKPI_PUBLISH_PARQUET", "false", False), ("AMKPI_PUBLISH_PARQUET", "true", True),
     ("AMKPI_POSTGRES_URL_FILE", "/nowhere/url", True)],
    ids=["no export is set", "Parquet", "a setting that is wrong, which the export tells"],
)  # fmt: skip
def test_a_publication_wakes_the_export_only_where_one_is_set(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, woken: bool
) -> None:
    monkeypatch.setenv(name, value)
    published = SimpleNamespace(publication_id="a", file=home, historical=False, repaired=False)
    monkeypatch.setattr("amkpi.pipeline.steps.build", lambda run, progress: SimpleNamespace(models=1, tests=1))
    monkeypatch.setattr("amkpi.pipeline.steps.audit", lambda run, progress: SimpleNamespace(findings=(), warnings=()))
    monkeypatch.setattr("amkpi.pipeline.steps.publish", lambda run, progress: published)
    take_due()
    assert hurry(bag.dags["amkpi_build_marts"]).test().state == "success"
    assert take_due() == {"amkpi_send_scorecards"} | ({"amkpi_export_marts"} if woken else set())


def test_an_export_by_hand_without_settings_is_skipped(bag: Any, home: Path) -> None:
    assert states(hurry(bag.dags["amkpi_export_marts"]).test()) == {"export": "skipped"}


@pytest.mark.parametrize(("given", "built"), [("2026-03-31", date(2026, 3, 31)), (None, date(2026, 10, 17))])
def test_the_param_as_of_goes_before_the_environment(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, built: date
) -> None:
    asked: list[date] = []

    def build(run: Any, progress: Any) -> Any:
        asked.append(run.as_of)
        raise AuditBlocked("far enough")

    monkeypatch.setattr("amkpi.pipeline.steps.build", build)
    hurry(bag.dags["amkpi_build_marts"]).test(run_conf={"as_of": given})
    assert asked == [built]


@pytest.mark.parametrize(
    ("given", "seen", "historical"),
    [
        ({"as_of": "2026-03-31"}, date(2026, 10, 17), True),
        ({"as_of": "2026-10-17"}, date(2026, 10, 17), False),
        ({"as_of": "2026-10-18"}, date(2026, 10, 17), False),
        ({"as_of": "2026-03-31"}, None, False),  # the first publication is what readers open
        ({"as_of": "2026-03-31", "current": True}, date(2026, 10, 17), False),
        ({}, date(2026, 12, 31), True),  # the night's own run, and somebody has published a later date by hand
        ({"current": True}, date(2026, 12, 31), False),
        ({}, date(2026, 10, 16), False),
    ],
)
def test_a_date_before_the_one_that_readers_see_is_published_historical_unless_a_person_switches_them(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], seen: date | None, historical: bool
) -> None:
    asked: list[tuple[str, bool]] = []

    def step(name: str, report: Any) -> Any:
        def call(run: Any, progress: Any) -> Any:
            asked.append((name, run.historical))
            # What readers see changes while the run goes on: it stays what it was when it began.
            monkeypatch.setattr("amkpi.publishing.publications.current_as_of", lambda home: date(2020, 1, 1))
            return report

        return call

    monkeypatch.setattr("amkpi.publishing.publications.current_as_of", lambda home: seen)
    monkeypatch.setattr("amkpi.pipeline.steps.build", step("build", SimpleNamespace(models=1, tests=1)))
    monkeypatch.setattr("amkpi.pipeline.steps.audit", step("audit", SimpleNamespace(findings=(), warnings=())))
    published = SimpleNamespace(publication_id="a", file=home, historical=historical, repaired=False)
    monkeypatch.setattr("amkpi.pipeline.steps.publish", step("publish", published))
    assert hurry(bag.dags["amkpi_build_marts"]).test(run_conf=given).state == "success"
    assert asked == [("build", historical), ("audit", historical), ("publish", historical)]


@pytest.mark.parametrize(("conf", "calls"), [({"rebuild": True}, ["rebuild", "build"]), ({}, ["build"])])
def test_the_param_rebuild_makes_the_warehouse_anew_first(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch, conf: dict[str, bool], calls: list[str]
) -> None:
    done: list[str] = []

    def build(run: Any, progress: Any) -> Any:
        done.append("build")
        raise AuditBlocked("far enough")

    monkeypatch.setattr("amkpi.pipeline.steps.rebuild", lambda run, progress: done.append("rebuild"))
    monkeypatch.setattr("amkpi.pipeline.steps.build", build)
    hurry(bag.dags["amkpi_build_marts"]).test(run_conf=conf)
    assert done == calls


def test_before_the_first_file_a_build_is_skipped_and_nothing_is_published(bag: Any, home: Path) -> None:
    run = hurry(bag.dags["amkpi_build_marts"]).test()
    assert states(run) == {"build": "skipped", "audit": "skipped", "publish": "skipped"}
    assert not (home / "published" / "current.duckdb").exists()


def test_a_blocked_audit_fails_at_once_and_nothing_is_published(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[datetime] = []

    def audit(run: Any, progress: Any) -> Any:
        tries.append(datetime.now(UTC))
        raise AuditBlocked("the audit blocks publication: amounts are not positive")

    monkeypatch.setattr("amkpi.pipeline.steps.build", lambda run, progress: SimpleNamespace(models=1, tests=1))
    monkeypatch.setattr("amkpi.pipeline.steps.audit", audit)
    run = hurry(bag.dags["amkpi_build_marts"]).test()
    assert states(run) == {"build": "success", "audit": "failed", "publish": "upstream_failed"}
    assert len(tries) == 1


def raised(home: Path) -> list[tuple[str, str, str]]:
    from amkpi.alerts.store import AlertStore

    incidents = [alert.incident for alert in AlertStore(Home.at(home)).open_alerts()]
    return [(incident.type, incident.about, incident.facts) for incident in incidents]


def test_a_failure_is_an_alarm_after_the_last_retry_until_the_task_is_well_or_has_nothing_to_do(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[tuple[str, str, str]]] = []

    def load(run: Any, progress: Any) -> Any:
        seen.append(raised(home))
        raise AmkpiError("cannot list landing:\n  no right")

    monkeypatch.setattr("amkpi.pipeline.steps.load", load)
    assert hurry(bag.dags["amkpi_load_extracts"]).test().state == "failed"
    assert seen == [[]] * 4
    assert raised(home) == [("task-failed", "load_extracts.load", "cannot list landing: no right")]
    monkeypatch.setattr("amkpi.pipeline.steps.load", loads())
    hurry(bag.dags["amkpi_load_extracts"]).test()
    assert raised(home) == []


def test_a_blocked_build_is_an_alarm_of_its_own_until_something_is_published(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blocked(run: Any, progress: Any) -> Any:
        raise AuditBlocked("a rule of the models is broken")

    monkeypatch.setattr("amkpi.pipeline.steps.build", blocked)
    hurry(bag.dags["amkpi_build_marts"]).test()
    assert raised(home) == [("publication-blocked", "", "a rule of the models is broken")]
    monkeypatch.setattr("amkpi.pipeline.steps.build", lambda run, progress: SimpleNamespace(models=1, tests=1))
    monkeypatch.setattr("amkpi.pipeline.steps.audit", lambda run, progress: SimpleNamespace(findings=(), warnings=()))
    published = SimpleNamespace(publication_id="a", file=home, historical=False, repaired=False)
    monkeypatch.setattr("amkpi.pipeline.steps.publish", lambda run, progress: published)
    hurry(bag.dags["amkpi_build_marts"]).test()
    assert raised(home) == []
    monkeypatch.setattr("amkpi.pipeline.steps.build", blocked)
    hurry(bag.dags["amkpi_build_marts"]).test(run_conf={"as_of": "2026-03-31"})
    assert [slug for slug, _, _ in raised(home)] == ["task-failed"], "what a person asks for keeps nothing from readers"


def test_a_task_that_is_killed_on_its_last_try_is_an_alarm_of_the_next_look(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(run: Any, progress: Any) -> Any:
        assert AlertStore(Home.at(home)).started_tasks() == [("load_extracts.load", ANY)]
        raise AmkpiError("whatever")

    monkeypatch.setattr("amkpi.pipeline.steps.load", load)
    dag = hurry(bag.dags["amkpi_load_extracts"])
    # As it is for a process that is killed: nobody calls it.
    monkeypatch.setattr(dag.get_task("load"), "on_failure_callback", [])
    assert dag.test().state == "failed"
    assert raised(home) == []
    assert states(hurry(bag.dags["amkpi_watch_over"]).test()) == {"look": "success"}
    ((slug, task, what),) = raised(home)
    assert (slug, task) == ("task-failed", "load_extracts.load")
    assert "killed" in what or "bị hủy" in what
    monkeypatch.setattr("amkpi.pipeline.steps.load", loads())
    hurry(bag.dags["amkpi_load_extracts"]).test()
    assert raised(home) == []
    assert AlertStore(Home.at(home)).started_tasks() == []


def test_an_alarm_that_cannot_be_told_fails_no_task(bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMKPI_OPERATOR_EMAIL", "ops@agency.example")
    monkeypatch.setattr("amkpi.pipeline.steps.load", loads(ONE_CLIENT, loaded=1))
    monkeypatch.setattr(
        "amkpi.alerts.notify.resolve", lambda *given: (_ for _ in ()).throw(AmkpiError("no mail server"))
    )
    assert hurry(bag.dags["amkpi_load_extracts"]).test().state == "success"


def test_watch_over_looks_and_fails_when_the_operator_cannot_be_told(
    bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert states(hurry(bag.dags["amkpi_watch_over"]).test()) == {"look": "success"}
    monkeypatch.setenv("AMKPI_OPERATOR_EMAIL", "ops@agency.example")
    from amkpi.alerts.store import AlertStore, Incident

    AlertStore(Home.at(home)).raise_(Incident("task-failed", "a.b", "why"), datetime.now(UTC))
    assert states(hurry(bag.dags["amkpi_watch_over"]).test()) == {"look": "failed"}


def test_a_lock_held_by_another_run_is_waited_for(bag: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[datetime] = []

    def load(run: Any, progress: Any) -> Any:
        tries.append(datetime.now(UTC))
        if len(tries) == 1:
            raise AmkpiError("another run holds the home")
        return loads(ONE_CLIENT, loaded=1)(run, progress)

    monkeypatch.setattr("amkpi.pipeline.steps.load", load)
    run = hurry(bag.dags["amkpi_load_extracts"]).test()
    assert states(run) == {"load": "success"}
    assert len(tries) == 2


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (AuditBlocked, "AirflowFailException"),
        (NothingLoaded, "AirflowSkipException"),
        (AmkpiError, "AirflowException"),
    ],
)
def test_a_failure_keeps_the_one_line_that_a_person_needs(error: type[AmkpiError], raised: str) -> None:
    from airflow.sdk.exceptions import AirflowException

    from amkpi.interfaces.airflow.task_run import raise_as_airflow_error

    with pytest.raises(AirflowException, match=r"^what, where, and the mend$") as caught, raise_as_airflow_error():
        raise error("what, where, and the mend")
    assert type(caught.value).__name__ == raised
