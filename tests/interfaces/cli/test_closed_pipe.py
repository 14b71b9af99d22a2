"""`amkpi run | head -1`: a reader who leaves ends no run before it has published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from tests.command_line import variables
from tests.scorecards import agency

# The steps, each with more lines than a pipe holds; from the build on they go to a reader who has left.
RUN = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from amkpi.interfaces.cli.main import main
from amkpi.pipeline import steps

home = Path(sys.argv[1])

def build(run, progress, on_start):
    while not (home / "gone").exists():
        time.sleep(0.01)
    for line in range(5000):
        progress(f"line {line} " + "x" * 100)
        print(f"line {line} " + "x" * 100, flush=True)
    return SimpleNamespace(is_new=True, publication_id="a", models=1, tests=1)

def audit(run, progress, auditor):
    return SimpleNamespace(is_new=False, warnings=(), page=None)

def publish(run):
    (home / "was_published").touch()
    return SimpleNamespace(file=home, is_new=True, historical=False, repaired=False)

steps.build, steps.audit, steps.publish = build, audit, publish
sys.exit(main(["run", "--home", str(home)]))
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a publication that can be shown at the end."""
    made = Run(Home.at(tmp_path), load_settings(Home.at(tmp_path), {}), agency.AS_OF).home
    agency.publish(made)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("errors", ["apart", "in the same pipe"])
def test_a_reader_who_leaves_after_the_first_line_ends_no_run(home: Home, errors: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(home.root)],
        env=variables(home.root, AMKPI_AS_OF=str(agency.AS_OF)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE if errors == "apart" else subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout
        assert b"load" in process.stdout.readline()
        process.stdout.close()
        (home.root / "gone").touch()
        said = process.stderr.read() if process.stderr else b""
        assert process.wait(60) == 0, said.decode()
    assert (home.root / "was_published").exists()
    assert said == b""
