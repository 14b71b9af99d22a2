"""A step in another Python: the same result, the same errors, and no process that outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError, AuditBlocked, NothingLoaded
from amkpi.core.findings import Finding
from amkpi.core.run import utc_now
from amkpi.ingestion import delivery_log
from amkpi.pipeline import step_process, steps
from tests.conftest import Agency
from tests.paths import ROOT

CLIENTS = "client_id,client_name\nC,Trà\n"
FINDING = Finding("marts", "x", "marts.kpi_values", None, False, "blocking", "1 row", 1, "advice")


def blocks(progress: Callable[[str], None]) -> None:
    print("a library prints")
    raise AuditBlocked("it blocks", (FINDING,))


def dies(progress: Callable[[str], None]) -> None:
    progress("before")
    os._exit(7)


def waits(folder: Path, progress: Callable[[str], None]) -> None:
    (folder / "part").write_text(str(os.getpid()))
    (folder / "part").rename(folder / "pid")
    time.sleep(60)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of this module can be found by the process."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def pretend(folder: Path, what: str) -> str:
    """A Python that does something else."""
    file = folder / "python"
    file.write_text(f"#!/bin/sh\n{what}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.slow
def test_the_result_of_a_step_and_its_progress_come_from_the_other_process(agency: Agency) -> None:
    agency.load({"clients/a.csv": CLIENTS})
    agency.home.warehouse.unlink()
    seen: list[str] = []
    run = replace(agency.run, now=utc_now)
    assert step_process.call(sys.executable, steps.rebuild, run, progress=seen.append) == 1
    assert [line for line in seen if "clients/a.csv" in line]
    assert agency.home.warehouse.is_file()
    assert len(delivery_log.read(agency.home.state)) == 1


@pytest.mark.slow
def test_errors_keep_their_kind_and_what_they_hold(agency: Agency) -> None:
    with pytest.raises(NothingLoaded, match="never received a file"):
        step_process.call(sys.executable, steps.build, replace(agency.run, now=utc_now), progress=print)
    with pytest.raises(AuditBlocked, match="it blocks") as blocked:
        step_process.call(sys.executable, blocks, progress=print)
    assert blocked.value.findings == (FINDING,)


@pytest.mark.slow
def test_a_process_that_dies_is_an_error_with_how_it_ended() -> None:
    seen: list[str] = []
    with pytest.raises(AmkpiError, match=r"the step ended in .* with exit code 7; the lines above"):
        step_process.call(sys.executable, dies, progress=seen.append)
    assert seen == ["before"]


def test_another_python_than_one_with_the_same_amkpi_is_told(tmp_path: Path) -> None:
    with pytest.raises(AmkpiError, match=r"setting task_python: .*/none cannot be started: No such file"):
        step_process.call(str(tmp_path / "none"), blocks, progress=print)
    with pytest.raises(AmkpiError, match="with exit code 3"):
        step_process.call(pretend(tmp_path, "exit 3"), blocks, progress=print)
    says = f"""exec {sys.executable} -c 'import pickle, sys; pickle.dump(("version", "0.9"), sys.stdout.buffer)'"""
    with pytest.raises(AmkpiError, match=r"has amkpi 0.9, and here it is .*: install the same wheel in both"):
        step_process.call(pretend(tmp_path, says), blocks, progress=print)


@pytest.mark.slow
def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from amkpi.pipeline.step_process import call;"
        " from tests.pipeline.test_step_process import waits;"
        " call(sys.executable, waits, Path(sys.argv[1]), progress=print)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as parent:
        wait_until((tmp_path / "pid").exists)
        parent.send_signal(signal.SIGKILL)
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within 30 s")
