"""stack/airflow/config/airflow_local_settings.py: what the scheduler imports before it forks tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

SETTINGS = ROOT / "stack" / "airflow" / "config" / "airflow_local_settings.py"
# As the scheduler does, then the four tasks of a file's way; prints what each imported.
SCRIPT = f"""
import json, logging, runpy, sys
from pathlib import Path

from airflow.sdk.log import configure_logging

home = Path(sys.argv[1])
sys.argv = ["airflow", sys.argv[2]]
runpy.run_path({str(SETTINGS)!r})
configure_logging(output=sys.stderr.buffer)
from amkpi.core.run import Run
from amkpi.pipeline import steps

run = Run.prepare(home=home, as_of="2026-10-17")
imported = {{}}
for step in ("load", "build", "audit", "publish"):
    before = set(sys.modules)
    getattr(steps, step)(run)
    imported[step] = sorted(set(sys.modules) - before)
print(json.dumps(imported))
"""
# Those that take long to import, each with all that is below it.
HEAVY = {
    "dbt",
    "duckdb",
    "duckdb_engine",
    "great_expectations",
    "numpy",
    "pandas",
    "pyarrow.lib",
    "scipy",
    "sqlalchemy",
}


def tasks_run_by(component: str, home: Path) -> tuple[dict[str, list[str]], str]:
    """What each task imports of its own in a process that began as a component of Airflow does, and what they log."""
    amkpi = Path(sys.executable).with_name("amkpi")
    subprocess.run(
        [amkpi, "sample", str(home / "landing"), "--months", "3", "--scale", "0.1", "--as-of", "2026-10-17"],
        check=True, capture_output=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(home), component],
        check=True, capture_output=True, text=True, env={**os.environ, "AMKPI_SETTLE_SECONDS": "0"},
    )  # fmt: skip
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    heavy = {
        step: [name for name in names if any(f"{name}.".startswith(f"{each}.") for each in HEAVY)]
        for step, names in found.items()
    }
    return heavy, done.stderr


@pytest.mark.slow
def test_a_task_of_the_scheduler_imports_nothing_heavy_of_its_own_and_logs_no_look_up(tmp_path: Path) -> None:
    imported, log = tasks_run_by("scheduler", tmp_path)
    # A handful of small modules, such as its adapter's version, dbt looks for by itself.
    assert {step: names for step, names in imported.items() if len(names) > 5} == {}
    assert "great_expectations" not in log


# As another component does: what it has imported, and what Great Expectations logs while it is imported.
SPARED = f"""
import json, runpy, sys

from airflow.sdk.log import configure_logging

sys.argv = ["airflow", "triggerer"]
runpy.run_path({str(SETTINGS)!r})
configure_logging(output=sys.stderr.buffer)
print(json.dumps([name for name in ("dbt.cli.main", "great_expectations") if name in sys.modules]))
import amkpi.expectations.dialect
import great_expectations.expectations
"""


@pytest.mark.slow
def test_the_other_components_are_spared_what_only_tasks_need() -> None:
    done = subprocess.run([sys.executable, "-c", SPARED], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert "great_expectations" in done.stderr, "else nothing would have been silenced"
