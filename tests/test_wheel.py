"""The wheel: complete, and it works outside of a checkout in an environment that nobody can write to.

The environment of the test is empty but for the wheel. The dependencies are those of the environment that runs the
tests: installing 200 packages again would need a network and minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.paths import ROOT

# 10 s for the wheel and its environment, 60 s for the sample agency.
pytestmark = pytest.mark.slow

# Top folders that are a link in amkpi/, and a plain folder in the wheel.
LINKED = ("dags", "dbt_project", "expectations", "ingestion")
NOT_IN_THE_WHEEL = {"amkpi/dbt_project/.sqlfluff", "amkpi/dbt_project/group/.sqlfluff"}


def tracked_files(*folders: str) -> list[str]:
    """The files of the repository below these folders, links included."""
    done = subprocess.run(
        ["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return [name for name in done.stdout.split("\0") if name and os.path.lexists(ROOT / name)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the repository, in which dbt has left its files."""
    copy = tmp_path_factory.mktemp("repository")
    for name in tracked_files("amkpi", *LINKED, "pyproject.toml", "README.md", "Makefile"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    for name in ("target/compiled/left.sql", "target/manifest.yml", "logs/left.yml"):
        (copy / "dbt_project" / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / "dbt_project" / name).write_text("left by dbt")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    assert " ".join(command[1:]) in (ROOT / "Makefile").read_text(), "the test builds as `make wheel` does"
    subprocess.run([*command, "--wheel-dir", "dist", "."], cwd=copy, check=True, capture_output=True, timeout=300)
    (built,) = (copy / "dist").glob("amkpi-*.whl")
    return built


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel: its Python and its site-packages."""

    python: Path
    packages: Path

    def run(self, folder: Path, *command: str, **variables: str) -> str:
        """What a command of the environment prints; fails with its output where it fails."""
        done = subprocess.run(
            [str(self.python.with_name(command[0])), *command[1:]],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "AMKPI_SETTLE_SECONDS": "0", **variables},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def contents(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of every file and folder of the package."""
        package = self.packages / "amkpi"
        return {
            str(path.relative_to(package)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in [package, *package.rglob("*")]
        }


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The wheel in an environment of its own, read-only."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    python = folder / "bin" / "python"
    (packages,) = (folder / "lib").glob("python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)],
        check=True,
        timeout=300,
    )
    assert sorted(path.name for path in packages.iterdir()) == [
        "amkpi",
        wheel.name.replace("-py3-none-any.whl", ".dist-info"),
    ]
    # A path of a .pth file is searched, but .pth files in it are not read: the editable install of the tests stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for path in [packages, *packages.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    yield Installed(python, packages)
    for path in [packages, *packages.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    links = {f"amkpi/{name}" for name in LINKED}
    expected = {
        name if name.startswith("amkpi/") else f"amkpi/{name}" for name in tracked_files("amkpi", *LINKED)
    } - links
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == expected - NOT_IN_THE_WHEEL
    assert "amkpi/py.typed" in found


def test_the_installed_package_runs_the_sample_agency_and_is_not_written_to(
    installed: Installed, tmp_path: Path
) -> None:
    where = installed.run(
        tmp_path, "python", "-c", "import amkpi.core.paths as p; print(p.PACKAGE, p.DAGS, p.IS_CHECKOUT)"
    )
    package = installed.packages / "amkpi"
    assert where.split() == [str(package), str(package / "dags"), "False"]
    before = installed.contents()
    home, as_of = ["--home", "agency"], ["--as-of", "2026-10-17"]
    installed.run(tmp_path, "amkpi", "sample", "agency/landing", "--months", "3", "--scale", "0.1", *as_of)
    assert "Client revenue" in installed.run(tmp_path, "amkpi", "run", *home, *as_of)
    count = "select count(*) as n from kpi_values where value is not null"
    (row,) = json.loads(installed.run(tmp_path, "amkpi", "query", count, "--format", "json", *home))
    assert row["n"] > 100
    assert "mail" in installed.run(tmp_path, "amkpi", "scorecards", *home, *as_of)
    assert "client_revenue" in installed.run(tmp_path, "amkpi", "explain", "1", "2026-09", "--format", "json", *home)
    installed.run(tmp_path, "amkpi", "sources", "template", "clients", "--dir", "templates")
    assert "published" in installed.run(tmp_path, "amkpi", "status", *home)
    assert installed.contents() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"agency", "templates", ".dbt", ".config", ".cache"}


def test_an_airflow_that_exists_reads_the_dags_of_the_installed_package(installed: Installed, tmp_path: Path) -> None:
    bundles = [
        {
            "name": "amkpi",
            "classpath": "amkpi.interfaces.airflow.dag_bundle.PackagedDagBundle",
            "kwargs": {},
        }
    ]
    code = (
        "from airflow.dag_processing.bundles.manager import DagBundlesManager\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "bundle = DagBundlesManager().get_bundle('amkpi')\n"
        "bag = DagBag(bundle.path, bundle_path=bundle.path)\n"
        "assert not bag.import_errors, bag.import_errors\n"
        "print(bundle.path, *sorted(bag.dags))\n"
    )
    printed = installed.run(
        tmp_path, "python", "-c", code,
        AIRFLOW_HOME=str(tmp_path / "airflow"), AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=json.dumps(bundles),
    )  # fmt: skip
    path, *dag_ids = printed.splitlines()[-1].split()
    assert Path(path) == installed.packages / "amkpi" / "dags"
    assert dag_ids == sorted(f"amkpi_{file.stem}" for file in (ROOT / "dags").glob("*.py"))
