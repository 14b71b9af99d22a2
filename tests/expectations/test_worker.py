"""The audit in a process of its own finds the same, and leaves neither a pass nor a process behind when it fails."""

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
from amkpi.expectations.worker import AuditorAside
from tests.expectations.conftest import Break
from tests.expectations.test_runner import BROKEN_INVARIANTS, OCCASION

pytestmark = pytest.mark.slow


def test_it_finds_the_same_and_says_the_same_lines_and_the_file_is_free_again(
    broken: Break, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    warehouse = broken(*BROKEN_INVARIANTS[0][2])
    lines: list[list[str]] = [[], []]
    here = audit_warehouse(warehouse, settings, OCCASION, lines[0].append)
    with AuditorAside() as auditor:
        aside = auditor(warehouse, settings, OCCASION, lines[1].append)
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("drop schema marts cascade")
        # The same process, once more, sees what the file is now.
        without_marts = auditor(warehouse, settings, OCCASION, lambda line: None)
    assert aside == here
    assert any(not finding.success for finding in aside)
    assert lines[1] == lines[0]
    assert any(finding.observed.startswith("could not run") for finding in without_marts if finding.suite == "marts")
    assert capfd.readouterr() == ("", "")


def test_a_process_that_is_killed_has_judged_nothing_which_blocks(sound: Path, settings: Settings) -> None:
    with AuditorAside() as auditor:
        auditor.start()
        assert auditor.pid is not None
        os.kill(auditor.pid, signal.SIGKILL)
        findings = auditor(sound, settings, OCCASION, lambda line: None)
    assert len(findings) == len(audit_warehouse(sound, settings, OCCASION, lambda line: None))
    assert all(finding.blocks for finding in findings)
    assert {finding.observed for finding in findings} == {"could not run: the process of the audit ended with signal 9"}


def test_a_process_that_cannot_import_says_why_which_blocks(
    sound: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "great_expectations").mkdir()
    (tmp_path / "great_expectations" / "__init__.py").write_text("raise ImportError('half installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with AuditorAside() as auditor:
        findings = auditor(sound, settings, OCCASION, lambda line: None)
    assert all(finding.blocks for finding in findings)
    assert {finding.observed for finding in findings} == {"could not run: ImportError: half installed"}


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(ending: signal.Signals) -> None:
    code = (
        "import signal, time; from amkpi.expectations.worker import AuditorAside\n"
        # A process that was started in the background inherits that SIGINT is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with AuditorAside() as auditor: auditor.start(); print(auditor.pid, flush=True); time.sleep(600)"
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
        assert time.monotonic() < deadline, "the process of the audit lives on"
        time.sleep(0.05)


def is_running(process: int) -> bool:
    """Whether there is such a process; one that has ended and that nobody asked about counts as gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
