"""Many agencies in one real Airflow: `make test-agencies` drops a file for each at once, and prints what it found.

AGENCIES=200 says how many. Not part of `make test`: with 200 it takes half an hour of two cores. Only what must hold on
any machine is asserted.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.exports.postgres import server
from tests.stack.agencies.airflow import COMPONENTS, Airflow, airflow, free_port
from tests.stack.agencies.group import AS_OF, Group, make_group

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("AGENCIES", "200"))
MINUTES = float(os.environ.get("AGENCIES_MINUTES", "60"))
MEMORY_LIMIT_MB = 3000
PROGRAMS = server.programs()
# The other DAGs wait for a mail server or for the morning.
OF_A_FILE = ("amkpi_load_extracts", "amkpi_build_marts", "amkpi_watch_over")
VARIABLES = {
    "AMKPI_AS_OF": AS_OF,
    "AMKPI_MEMORY_LIMIT": "512MB",
    "AIRFLOW__CORE__PARALLELISM": "2",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
}


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line at once, with the time since the beginning, whatever pytest captures."""
    capture, begin = request.config.pluginmanager.getplugin("capturemanager"), time.monotonic()

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"{time.monotonic() - begin:5.0f} s  {text}", flush=True)

    return line


@pytest.fixture
def database() -> Iterator[server.Server]:
    """A PostgreSQL with nothing in it."""
    if PROGRAMS is None:
        pytest.skip("no PostgreSQL from 15 on")
    with server.running(PROGRAMS, "-c max_connections=100 -c shared_buffers=128MB") as running:
        yield running


def until(true: Callable[[], bool], what: str, seconds: float, pause: float = 2) -> None:
    """Wait. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


def wait_for_dags(running: Airflow, group: Group, say: Callable[[str], None]) -> None:
    """Until Airflow has read every DAG; only those of a dropped file stay switched on."""
    wanted = 6 * len(group.codes) + 2
    until(lambda: running.rows("select count(*) from serialized_dag") == [(wanted,)], f"{wanted} DAGs", 900)
    running.rows(
        "update dag set is_paused = true where not (" + " or ".join("dag_id like %s" for _ in OF_A_FILE) + ")",
        *(f"{name}%" for name in OF_A_FILE),
    )
    watched = len(group.codes)
    until(
        lambda: running.rows("select count(*) from trigger where triggerer_id is not null") == [(watched,)],
        "triggers",
        300,
    )
    say(f"{wanted} DAGs are read, and {watched} triggers run")


def check_each_has_its_own(group: Group) -> None:
    """Each agency shows the client of its own file, loaded once, and no other agency's."""
    assert {code: group.shown(code) for code in group.codes} == {code: [group.client(code)] for code in group.codes}
    assert {code: group.loads(code) for code in group.codes} == {code: ["loaded:1"] for code in group.codes}


def test_many_files_at_once_are_published_each_in_its_own_agency_though_the_scheduler_is_killed(
    tmp_path: Path, database: server.Server, say: Callable[[str], None]
) -> None:
    group = make_group(tmp_path / "group", COUNT)
    say(f"{COUNT} agencies are made")
    with airflow(tmp_path / "airflow", database, {**VARIABLES, "AMKPI_AGENCIES": str(group.file)}) as running:
        running.start_all()
        wait_for_dags(running, group, say)
        time.sleep(30)
        used = running.memory()
        say(f"idle: {sum(used.values()):.0f} MB {show(used)}")
        most, peak, killed, told = dict(used), sum(used.values()), False, 0
        group.drop(group.codes)
        begin = time.monotonic()
        while len(done := group.published()) < COUNT:
            assert time.monotonic() - begin < 60 * MINUTES, f"only {len(done)} are published"
            used = running.memory()
            if sum(used.values()) > peak:
                most, peak = used, sum(used.values())
            if not killed and len(done) >= COUNT / 4:
                running.kill("scheduler")
                say(f"the scheduler is killed after {len(done)} publications")
                running.start("scheduler", "scheduler", "--skip-serve-logs")
                killed = True
            if len(done) >= told + COUNT / 10:
                told = len(done)
                say(f"{told} of {COUNT} are published, {time.monotonic() - begin:.0f} s after the drop")
            time.sleep(5)
        say(f"all {COUNT} are published {time.monotonic() - begin:.0f} s after the drop")
        runs = "select count(*) from dag_run where dag_id like %s"
        loads, builds = (running.rows(runs, f"{name}%")[0][0] for name in OF_A_FILE[:2])
        say(f"{loads} loads and {builds} builds were run")
        say(f"most memory: {peak:.0f} MB {show(most)}")
        say(f"CPU: {', '.join(f'{name} {seconds:.0f} s' for name, seconds in running.cpu().items())}")
        failed = running.rows("select dag_id, task_id from task_instance where state = 'failed'")
        assert failed == []
        check_each_has_its_own(group)
        assert killed
        assert peak < MEMORY_LIMIT_MB


def show(used: dict[str, float]) -> str:
    """MB by component."""
    return "(" + ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in used.items()) + ")"


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis without a disk; its address."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server")
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: answers(port), "Redis", 30, pause=0.2)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_two_celery_workers_share_the_agencies_and_each_stays_with_its_queue(
    tmp_path: Path, database: server.Server, say: Callable[[str], None]
) -> None:
    pytest.importorskip("airflow.providers.celery")
    # Two stay on the second worker, as if their HOMEs were on its machine; the others go to any of the two.
    group = make_group(tmp_path / "group", 8, queues={6: "second", 7: "second"})
    with redis(tmp_path) as address:
        variables = {
            **VARIABLES,
            "AMKPI_AGENCIES": str(group.file),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": f"{address}/0",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"{address}/1",
            "AIRFLOW__CORE__PARALLELISM": "8",
        }
        with airflow(tmp_path / "airflow", database, variables) as running:
            running.start_all(COMPONENTS)
            for name, queues in (("first", "default"), ("second", "default,second")):
                running.start(
                    name, "celery", "worker", "--skip-serve-logs", "--concurrency", "1", "--queues", queues,
                    "--celery-hostname", f"{name}@%h",
                )  # fmt: skip
            wait_for_dags(running, group, say)
            used = running.memory()
            say(f"idle: {sum(used.values()):.0f} MB {show(used)}")
            begin = time.monotonic()
            group.drop(group.codes)
            until(lambda: len(group.published()) == len(group.codes), "every publication", 60 * MINUTES)
            say(f"all {len(group.codes)} are published {time.monotonic() - begin:.0f} s after the drop")
            check_each_has_its_own(group)
            begun = {name: tasks_received(tmp_path / "airflow" / f"{name}.log") for name in ("first", "second")}
            say(f"tasks by worker: {begun}")
            assert all(begun.values())
            of_second = running.rows("select distinct queue from task_instance where dag_id like '%__a006'")
            assert of_second == [("second",)]


def tasks_received(log: Path) -> int:
    """How many tasks a worker has taken."""
    return log.read_text(encoding="utf-8", errors="replace").count("received")
