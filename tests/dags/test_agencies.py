"""Many agencies in one Airflow: each has its own DAGs, pool, time zone and alarms, and opens its own HOME alone."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from amkpi.alerts.store import AlertStore
from amkpi.core.agencies import Agencies, read_agencies
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.paths import DAGS
from amkpi.core.run import Run
from amkpi.ingestion.unprocessed import Unprocessed
from tests.alerts.test_alerts import Postbox
from tests.dags.test_dags import hurry, loads, states, take_due
from tests.scorecards.mail.test_delivery import free_port

pytestmark = pytest.mark.slow  # an Airflow of its own

PER_AGENCY = {"load_extracts", "build_marts", "close_period", "export_marts", "send_scorecards", "housekeeping"}
FILE = """
[group]
name = "Sao Mai"
reporting_currency = "VND"

[[agencies]]
code = "hanoi"
name = "Sao Mai Hà Nội"
region = "North"
home = "hanoi"
timezone = "Europe/Paris"

[[agencies]]
code = "sai_gon"
name = "Sao Mai Sài Gòn"
home = "saigon"
landing = "share/saigon"
pool = "saigon_writer"
queue = "south"
"""


@pytest.fixture
def group(home: Path, monkeypatch: pytest.MonkeyPatch) -> Agencies:
    """Two agencies. AMKPI_HOME and AMKPI_LANDING are set, as in the image, and name what no task may open."""
    for name in ("hanoi", "saigon", "share/saigon"):
        (home / name).mkdir(parents=True)
    (home / "agencies.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("AMKPI_AGENCIES", str(home / "agencies.toml"))
    monkeypatch.setenv("AMKPI_HOME", str(home / "nobody"))
    monkeypatch.setenv("AMKPI_LANDING", str(home / "nobody"))
    return read_agencies(home / "agencies.toml")


@pytest.fixture
def dags(airflow: None, group: Agencies) -> Iterator[dict[str, Any]]:
    """The DAGs of the two agencies by id."""
    from airflow.dag_processing.dagbag import DagBag

    before = signal.getsignal(signal.SIGTERM)
    bag = DagBag(DAGS)
    assert bag.import_errors == {}
    yield bag.dags
    signal.signal(signal.SIGTERM, before)


def names_of_assets(dag: Any) -> set[str]:
    """The assets that start a DAG or that its tasks may update."""
    condition = getattr(dag.timetable, "asset_condition", None)
    starting = [] if condition is None else [asset.name for asset in getattr(condition, "objects", [condition])]
    return {*starting, *(outlet.name for task in dag.tasks for outlet in task.outlets)}


def test_each_agency_has_dags_of_its_own_and_two_dags_serve_all(dags: dict[str, Any]) -> None:
    from amkpi.interfaces.airflow.names import dag_ids

    own = {f"amkpi_{name}__{code}" for name in PER_AGENCY for code in ("hanoi", "sai_gon")}
    assert set(dags) == own | {"amkpi_watch_over", "amkpi_housekeeping"}
    # Those of before there were agencies too: their records grow old.
    assert set(dag_ids()) == own | {f"amkpi_{name}" for name in (*PER_AGENCY, "watch_over")}
    assert dags["amkpi_build_marts__hanoi"].tags == {"amkpi", "marts", "agency:hanoi", "region:North"}
    assert [task.task_id for task in dags["amkpi_housekeeping"].tasks] == ["clean_airflow"]
    assert "clean_airflow" not in dags["amkpi_housekeeping__hanoi"].task_ids


def test_no_asset_joins_two_agencies(dags: dict[str, Any]) -> None:
    found = {
        code: set().union(*(names_of_assets(dags[f"amkpi_{name}__{code}"]) for name in PER_AGENCY))
        for code in ("hanoi", "sai_gon")
    }
    assert len(found["hanoi"]) == len(found["sai_gon"]) >= 8
    assert all(name.endswith("__hanoi") for name in found["hanoi"])
    assert all(name.endswith("__sai_gon") for name in found["sai_gon"])


def test_each_agency_has_one_writer_and_the_queue_of_its_machine(dags: dict[str, Any]) -> None:
    pools: dict[str, set[str]] = {"hanoi": set(), "sai_gon": set()}
    queues: dict[str, set[str]] = {"hanoi": set(), "sai_gon": set()}
    for dag_id, dag in dags.items():
        for task in dag.tasks if "__" in dag_id else ():
            pools[dag_id.split("__")[1]].add(task.pool)
            queues[dag_id.split("__")[1]].add(task.queue)
    assert pools == {"hanoi": {"amkpi_hanoi", "default_pool"}, "sai_gon": {"saigon_writer", "default_pool"}}
    assert queues == {"hanoi": {"default"}, "sai_gon": {"south"}}
    for name, pool in (("load_extracts", "amkpi_hanoi"), ("build_marts", "amkpi_hanoi")):
        assert {task.pool for task in dags[f"amkpi_{name}__hanoi"].tasks} == {pool}
    load = dags["amkpi_load_extracts__hanoi"].get_task("load")
    assert all(task.priority_weight > load.priority_weight for task in dags["amkpi_watch_over"].tasks)
    watching = {task.task_id: task.queue for task in dags["amkpi_watch_over"].tasks}
    assert watching == {"look": "default", "sweep": "default", "look_south": "south", "sweep_south": "south"}


def test_the_pools_are_made_and_a_missing_one_is_made_later(
    airflow: None, group: Agencies, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.models.pool import Pool

    from amkpi.interfaces.airflow.task_defaults import ensure_pools, make_missing_pools

    ensure_pools()
    assert (Pool.get_pool("amkpi_hanoi").slots, Pool.get_pool("saigon_writer").slots) == (1, 1)
    Pool.delete_pool("saigon_writer")
    Pool.create_or_update_pool("amkpi_hanoi", slots=2, description="", include_deferred=False)
    with caplog.at_level(logging.INFO):
        make_missing_pools(logging.getLogger("any"))
    assert Pool.get_pool("saigon_writer").slots == 1
    assert "saigon_writer was missing" in caplog.text
    assert "amkpi_hanoi has 2 slots" in caplog.text


def test_the_dag_processor_makes_the_pool_of_a_new_agency_at_the_next_refresh(
    airflow: None, group: Agencies, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.dag_processing.manager import BundleState, DagFileProcessorManager
    from airflow.models.pool import Pool

    from amkpi.interfaces.airflow.dag_bundle import PackagedDagBundle

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setattr(DagFileProcessorManager, "get_bundle_state", lambda *given: BundleState(None, None))
    processor = DagFileProcessorManager(max_runs=1, bundle_refresh_check_interval=0)
    processor._dag_bundles = [PackagedDagBundle(name="amkpi")]

    def refreshed() -> str:
        caplog.clear()
        with caplog.at_level(logging.INFO, "amkpi"):
            processor._refresh_dag_bundles({})
        return " ".join(each.getMessage() for each in caplog.records if each.name.startswith("amkpi."))

    for pool in ("amkpi_hanoi", "saigon_writer", "moved"):
        if Pool.get_pool(pool):
            Pool.delete_pool(pool)
    refreshed()
    assert Pool.get_pool("saigon_writer").slots == 1
    group.file.write_text(FILE.replace("saigon_writer", "moved"), encoding="utf-8")
    assert refreshed() == "the pool moved was missing, and is made with one slot"
    assert Pool.get_pool("moved").slots == 1
    Pool.create_or_update_pool("moved", slots=2, description="", include_deferred=False)
    assert refreshed() == "", "what is known is not told every five minutes"
    group.file.write_text("[group", encoding="utf-8")
    assert "no task of an agency starts without its pool" in refreshed()


def test_times_are_those_of_the_agency(dags: dict[str, Any]) -> None:
    for name in ("build_marts", "close_period", "send_scorecards"):
        zones = [str(dags[f"amkpi_{name}__{code}"].timetable.timetable.timezone) for code in ("hanoi", "sai_gon")]
        assert zones == ["Europe/Paris", "Asia/Ho_Chi_Minh"], name
    assert str(dags["amkpi_housekeeping__hanoi"].timetable.timezone) == "Europe/Paris"


def test_a_file_for_one_agency_never_shows_in_another(
    dags: dict[str, Any], group: Agencies, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, Path, Path, str]] = []

    def load(run: Run, progress: Any) -> Any:
        opened.append(("load", run.home.root, run.home.landing, run.settings.timezone))
        return loads({"contract": Unprocessed(1, 1, {"clients": 1})}, loaded=1)(run, progress)

    def build(run: Run, progress: Any) -> Any:
        opened.append(("build", run.home.root, run.home.landing, run.settings.timezone))
        raise AmkpiError("enough")

    monkeypatch.setattr("amkpi.pipeline.steps.load", load)
    monkeypatch.setattr("amkpi.pipeline.steps.build", build)
    take_due()
    hurry(dags["amkpi_load_extracts__hanoi"]).test()
    assert take_due() == {"amkpi_build_marts__hanoi"}
    hurry(dags["amkpi_build_marts__hanoi"]).test()
    hurry(dags["amkpi_load_extracts__sai_gon"]).test()
    assert take_due() == {"amkpi_build_marts__sai_gon"}
    hanoi, saigon = home / "hanoi", home / "saigon"
    assert set(opened) == {
        ("load", hanoi, hanoi / "landing", "Europe/Paris"),
        ("build", hanoi, hanoi / "landing", "Europe/Paris"),
        ("load", saigon, home / "share" / "saigon", "Asia/Ho_Chi_Minh"),
    }
    # The failure is told where it happened.
    assert [alert.incident.about for alert in AlertStore(Home.at(hanoi)).open_alerts()] == ["build_marts.build"]
    assert AlertStore(Home.at(saigon)).open_alerts() == []
    assert not (home / "nobody").exists()


def test_a_task_never_makes_the_home_of_an_agency_that_another_machine_has(
    dags: dict[str, Any], group: Agencies, home: Path
) -> None:
    (home / "hanoi").rmdir()
    assert states(hurry(dags["amkpi_load_extracts__hanoi"]).test()) == {"load": "failed"}
    assert not (home / "hanoi").exists()


def test_a_dag_of_an_agency_that_left_the_group_opens_no_other_home(
    dags: dict[str, Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amkpi.interfaces.airflow.names import agency_of

    left = FILE.split("[[agencies]]")
    (home / "agencies.toml").write_text(left[0] + "[[agencies]]" + left[1], encoding="utf-8")
    with pytest.raises(AmkpiError, match="no agency sai_gon"):
        agency_of("amkpi_load_extracts__sai_gon")
    monkeypatch.delenv("AMKPI_AGENCIES")
    with pytest.raises(AmkpiError, match="AMKPI_AGENCIES is not set"):
        agency_of("amkpi_load_extracts__hanoi")


def test_what_fails_for_one_agency_leaves_the_others_their_turn(
    dags: dict[str, Any], group: Agencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def monitor(run: Run, *others: Any) -> list[Any]:
        looked.append(run.home.root.name)
        if run.home.root.name == "hanoi":
            raise ZeroDivisionError
        return []

    monkeypatch.setattr("amkpi.alerts.notify.monitor", monitor)
    monkeypatch.setattr("amkpi.interfaces.airflow.watching.PART", 2)
    run = hurry(dags["amkpi_watch_over"]).test()
    assert set(looked) == {"hanoi", "saigon"}
    assert states(run)["look"] == "failed"
    assert states(run)["look_south"] == "success"

    from amkpi.interfaces.airflow.watching import for_each, look_at

    assert for_each(look_at, ["hanoi", "sai_gon"]) == ({"sai_gon": 0}, "hanoi: ZeroDivisionError")


@pytest.fixture
def postbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Postbox]:
    """A mail server that Airflow's connection names."""
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    monkeypatch.setenv("AIRFLOW_CONN_AMKPI_SMTP", f"smtp://127.0.0.1:{controller.port}/?security=none")
    yield box
    controller.stop()


def test_a_clean_that_failed_is_one_mail_to_the_operator_of_the_environment(
    dags: dict[str, Any], home: Path, monkeypatch: pytest.MonkeyPatch, postbox: Postbox
) -> None:
    tries: list[Any] = []

    def refuses(settings: Any) -> int:
        tries.append(settings)
        raise AmkpiError("airflow db clean failed: no database")

    monkeypatch.setattr("amkpi.interfaces.airflow.housekeeping.clean", refuses)
    monkeypatch.setenv("AMKPI_OPERATOR_EMAIL", "ops@agency.example")
    monkeypatch.setenv("AMKPI_SCORECARD_LANGUAGE", "en")
    assert states(hurry(dags["amkpi_housekeeping"]).test()) == {"clean_airflow": "failed"}
    assert len(tries) == 2
    assert postbox.subjects == ["[amkpi] Task failed: housekeeping.clean_airflow"]
    text = postbox.taken[0].get_content()
    assert "airflow db clean failed: no database" in text
    assert "task-failed.md" in text
    assert "publication" not in text
    assert not (home / "nobody").exists()


def test_a_clean_that_failed_is_only_in_the_log_where_no_mail_can_be_sent(
    group: Agencies, monkeypatch: pytest.MonkeyPatch, postbox: Postbox, caplog: pytest.LogCaptureFixture
) -> None:
    from amkpi.interfaces.airflow.callbacks import on_shared_task_failure

    task = SimpleNamespace(dag_id="amkpi_housekeeping", task_id="clean_airflow")
    with caplog.at_level(logging.INFO, "amkpi"):
        on_shared_task_failure({"ti": task, "exception": AmkpiError("why")})
        assert "no mail is sent: set operator_email" in caplog.text
        monkeypatch.setenv("AMKPI_OPERATOR_EMAIL", "ops@agency.example")
        postbox.no = "451 later"
        on_shared_task_failure({"ti": task, "exception": AmkpiError("why")})
    assert "no mail about housekeeping.clean_airflow now: the operator could not be notified" in caplog.text
    assert postbox.taken == []


def test_the_sweep_starts_the_load_of_those_where_something_waits(
    dags: dict[str, Any], group: Agencies, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    monkeypatch.setattr("amkpi.alerts.notify.monitor", lambda *given: [])
    (home / "share" / "saigon" / "clients.csv").write_text("x")
    take_due()
    hurry(dags["amkpi_watch_over"]).test()
    assert take_due() == {"amkpi_load_extracts__sai_gon"}
    # A run that has its turn to come needs no other one.
    monkeypatch.setattr("amkpi.pipeline.steps.load", loads())
    queued = hurry(dags["amkpi_load_extracts__sai_gon"]).test()
    with create_session() as session:
        session.execute(update(DagRun).where(DagRun.id == queued.id).values(state="queued"))
    hurry(dags["amkpi_watch_over"]).test()
    assert take_due() == set()


def test_a_build_goes_before_the_loads_of_other_agencies(dags: dict[str, Any]) -> None:
    load = dags["amkpi_load_extracts__hanoi"].get_task("load").priority_weight
    build, audit, _ = dags["amkpi_build_marts__sai_gon"].topological_sort()
    assert load < build.priority_weight < audit.priority_weight


def test_a_task_that_starts_reads_its_own_dag_alone(group: Agencies) -> None:
    from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager

    from amkpi.interfaces.airflow.names import agencies_served

    assert [each.code for each in agencies_served() if each] == ["hanoi", "sai_gon"]
    with _airflow_parsing_context_manager(dag_id="amkpi_build_marts__sai_gon", task_id="build"):
        assert [each.code for each in agencies_served() if each] == ["sai_gon"]
    with _airflow_parsing_context_manager(dag_id="amkpi_watch_over", task_id="look"):
        assert list(agencies_served()) == []


def test_the_trigger_of_an_agency_looks_into_its_landing(group: Agencies, home: Path) -> None:
    from amkpi.interfaces.airflow.landing_trigger import LandingTrigger

    trigger = LandingTrigger(agency="sai_gon")
    _, arguments = trigger.serialize()
    assert LandingTrigger(**arguments).agency == "sai_gon"
    environment = {"AMKPI_AGENCIES": str(group.file), "AMKPI_LANDING": "/elsewhere"}
    assert trigger._watched(environment).landing == home / "share" / "saigon"
    assert LandingTrigger().serialize()[1] == {"landing": None, "poll_seconds": 1.0}, "its memory is kept by this"
    with pytest.raises(AmkpiError, match="set AMKPI_AGENCIES"):
        trigger._watched({"AMKPI_HOME": str(home)})


def test_the_trigger_follows_an_agency_that_moves_and_stays_while_agencies_toml_cannot_be_read(
    group: Agencies, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amkpi.interfaces.airflow.landing_trigger import LandingTrigger

    monkeypatch.setenv("AMKPI_SETTLE_SECONDS", "0")
    seen: list[Any] = []
    old, new, last = (home / "share" / name for name in ("saigon", "new", "last"))
    new.mkdir()
    (old / "a.csv").write_text("x")

    async def run() -> None:
        async for event in LandingTrigger(agency="sai_gon", poll_seconds=0.005).run():
            seen.append(event.payload["files_ready"])

    async def until(count: int) -> None:
        async with asyncio.timeout(60):
            while len(seen) < count:
                await asyncio.sleep(0.002)

    async def scene() -> None:
        task = asyncio.create_task(run())
        await until(1)
        group.file.write_text("[group", encoding="utf-8")
        (old / "b.csv").write_text("x")
        await until(2)
        (new / "c.csv").write_text("x")
        group.file.write_text(FILE.replace("share/saigon", "share/new"), encoding="utf-8")
        await until(3)
        group.file.write_text(FILE.split('[[agencies]]\ncode = "sai_gon"')[0], encoding="utf-8")
        (new / "d.csv").write_text("x")
        await until(4)
        last.mkdir()
        for number in range(5):
            (last / f"{number}.csv").write_text("x")
        group.file.write_text(FILE.replace("share/saigon", "share/last"), encoding="utf-8")
        await until(5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())
    assert seen == [1, 2, 1, 2, 5]


def test_five_hundred_triggers_poll_no_more_often_than_fifty(group: Agencies, monkeypatch: pytest.MonkeyPatch) -> None:
    from amkpi.interfaces.airflow import landing_trigger

    many = SimpleNamespace(agencies=[None] * 500)
    trigger = landing_trigger.LandingTrigger(agency="hanoi")
    environment = {"AMKPI_AGENCIES": str(group.file)}
    assert trigger._watched(environment).pause == 1.0
    monkeypatch.setattr(landing_trigger, "current_agencies", lambda environment: many)
    monkeypatch.setattr(trigger, "_home", lambda environment: Home.at(group.file.parent))
    assert trigger._watched(environment).pause == 10.0
