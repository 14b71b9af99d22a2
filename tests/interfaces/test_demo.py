"""`make run` on a small agency, in a process of its own: Airflow can be set up only once in a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

pytestmark = pytest.mark.slow  # 15 s for a load, 40 s for the whole chain


def demo(home: Path, dags: Path = ROOT / "dags") -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AMKPI_", "__AIRFLOW"))
    }
    command = [
        sys.executable,
        "-m",
        "amkpi.interfaces.demo",
        "--home",
        str(home),
        "--dags",
        str(dags),
        "--months",
        "3",
        "--scale",
        "0.1",
    ]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=600, check=False)


@pytest.fixture
def without_outlet(tmp_path: Path) -> Path:
    """The DAGs, without the outlet of the load."""
    folder = tmp_path / "dags"
    shutil.copytree(ROOT / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "load_extracts.py"
    text = file.read_text(encoding="utf-8")
    assert "outlets=[assets.raw], " in text
    file.write_text(text.replace("outlets=[assets.raw], ", ""), encoding="utf-8")
    return folder


def test_the_demo_publishes_by_the_asset_reports_when_nothing_is_new_and_detects_a_missing_outlet(
    tmp_path: Path, without_outlet: Path
) -> None:
    home = tmp_path / "home"
    first = demo(home)
    assert first.returncode == 0, first.stdout + first.stderr
    for task in ("load_extracts.load", "build_marts.build", "build_marts.audit", "build_marts.publish"):
        assert f"✓ {task}" in first.stdout
    assert str(home / "published" / "current.duckdb") in first.stdout
    assert first.stderr == ""
    published = (home / "published" / "current.duckdb").resolve()
    assert published.is_file()

    second = demo(home)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "There were no new files" in second.stdout
    assert "build_marts.build" not in second.stdout
    assert (home / "published" / "current.duckdb").resolve() == published

    third = demo(home, without_outlet)
    assert third.returncode == 1
    assert "outlets" in third.stderr


def test_without_the_outlet_the_demo_loads_builds_nothing_and_fails_in_one_line(
    tmp_path: Path, without_outlet: Path
) -> None:
    done = demo(tmp_path / "home", without_outlet)
    assert done.returncode == 1
    assert "✓ load_extracts.load" in done.stdout
    assert "build_marts.build" not in done.stdout
    assert done.stderr.startswith("amkpi: nothing that amkpi_load_extracts does makes amkpi_build_marts due")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "home" / "published" / "current.duckdb").exists()
