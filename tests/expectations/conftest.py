"""A small agency, loaded and built once; each test breaks a copy of its warehouse."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import duckdb
import pytest

from amkpi.core.home import Home
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.core.settings import Settings, load_settings
from amkpi.core.storage.warehouse import connect
from amkpi.ingestion.loader import load
from amkpi.publishing.closing.publication import after_build
from amkpi.transform import dbt_runner
from tests.changed_settings import changed
from tests.expectations.audits import AS_OF, LOADED_AT

AGENCY = Path(__file__).parent / "landing"

Break = Callable[..., Path]


def settings_of(root: Path) -> Settings:
    """The default settings, but no wait for files that were just written, and small extracts may block."""
    return changed(load_settings(Home.at(root), {}), settle_seconds=0, min_rows_for_share=0)


def built(root: Path, landing: Path, as_of: date) -> Path:
    """Load and build the extracts in `landing` below `root`; returns the warehouse."""
    home = Home.at(root)
    home.make()
    shutil.copytree(landing, home.landing, dirs_exist_ok=True)
    settings = settings_of(root)
    with connect(home, settings) as connection:
        load(connection, home, settings, lambda: LOADED_AT, SHIPPED_MAPPINGS)
    dbt_runner.build(home, settings, as_of)
    with connect(home, settings) as connection:
        after_build(connection, home, settings, as_of)
    return home.warehouse


def make_changeable(connection: duckdb.DuckDBPyConnection) -> None:
    """Replace the view `marts.kpi_values` by a table with its rows, which a test can change."""
    connection.execute("create table copied as from marts.kpi_values")
    connection.execute("drop view marts.kpi_values")
    connection.execute("create table marts.kpi_values as from copied")
    connection.execute("drop table copied")


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse without faults; every extract was delivered."""
    return built(tmp_path_factory.mktemp("sound"), AGENCY, AS_OF)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def broken(sound: Path, tmp_path: Path) -> Break:
    """A function that copies the sound warehouse and runs statements on it; each must change something."""

    def make(*statements: str, folder: str = "copy") -> Path:
        target = tmp_path / folder / "warehouse.duckdb"
        target.parent.mkdir()
        shutil.copy(sound, target)
        with duckdb.connect(str(target)) as connection:
            if statements:
                make_changeable(connection)
            for statement in statements:
                changed: Sequence[tuple[object, ...]] = connection.execute(statement).fetchall()
                assert not changed or changed[0][0], f"nothing to change: {statement}"
        return target

    return make
