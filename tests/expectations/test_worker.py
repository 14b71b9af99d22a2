"""The audit worker returns the same findings as an audit in this process; if it fails, it blocks and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from amkpi.core.settings import Settings
from amkpi.expectations.runner import audit_warehouse
from amkpi.expectations.worker import AuditWorker
from tests.expectations.audits import CONTEXT, silent
from tests.expectations.conftest import Break
from tests.expectations.marts.faults import FAULTS

pytestmark = pytest.mark.slow


def test_it_returns_the_same_findings_and_progress_and_closes_the_file(
    broken: Break, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    warehouse = broken(*FAULTS[0][2])
    lines: list[list[str]] = [[], []]
    here = audit_warehouse(warehouse, settings, CONTEXT, lines[0].append)
    with AuditWorker() as auditor:
        there = auditor(warehouse, settings, CONTEXT, lines[1].append)
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("drop schema marts cascade")
        # The same process sees the changes when it runs again.
        without_marts = auditor(warehouse, settings, CONTEXT, silent)
    assert there == here
    assert any(not finding.success for finding in there)
    assert lines[1] == lines[0]
    assert any(finding.observed.startswith("could not run") for finding in without_marts if finding.suite == "marts")
    assert capfd.readouterr() == ("", "")


def test_a_process_that_is_killed_blocks(sound: Path, settings: Settings) -> None:
    with AuditWorker() as auditor:
        auditor.start()
        assert auditor.pid is not None
        os.kill(auditor.pid, signal.SIGKILL)
        findings = auditor(sound, settings, CONTEXT, silent)
    assert [finding.blocks for finding in findings] == [True]
    assert findings[0].observed == "could not run: the audit process ended with signal 9"


def test_a_process_that_cannot_import_blocks_and_reports_why(
    sound: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "great_expectations").mkdir()
    (tmp_path / "great_expectations" / "__init__.py").write_text("raise ImportError('half installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with AuditWorker() as auditor:
        findings = auditor(sound, settings, CONTEXT, silent)
    assert [finding.blocks for finding in findings] == [True]
    assert findings[0].observed == "could not run: ImportError: half installed"


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(ending: signal.Signals) -> None:
    code = (
        "import signal, time; from amkpi.expectations.worker import AuditWorker\n"
        # A process that was started in the background inherits that SIGINT is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with AuditWorker() as auditor: auditor.start(); print(auditor.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(ending)
    deadline = time.monotonic() + 60
    while is_running(child):
        assert time.monotonic() < deadline, "the audit process is still running"
        time.sleep(0.05)


def is_running(process: int) -> bool:
    """Whether the process runs; an ended one that its parent has not waited for does not count."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
