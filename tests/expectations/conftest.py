"""A small agency, loaded and built once; each test gets a copy of its warehouse to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from amkpi.core.home import Home
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.core.settings import Settings, load_settings
from amkpi.core.storage.warehouse import connect
from amkpi.ingestion.loader import load
from amkpi.transform import dbt_runner
from tests.changed_settings import changed

AGENCY = Path(__file__).parent / "agency"
AS_OF = date(2026, 3, 20)
LOADED_AT = datetime(2026, 3, 20, 14, tzinfo=UTC)

Break = Callable[..., Path]


def settings_of(root: Path) -> Settings:
    """The default settings, for files that were written a moment ago."""
    return changed(load_settings(Home.at(root), {}), settle_seconds=0)


def built(root: Path, landing: Path, as_of: date) -> Path:
    """The warehouse of the agency whose extracts lie in `landing`, loaded and built below `root`."""
    home = Home.at(root)
    home.make()
    shutil.copytree(landing, home.landing, dirs_exist_ok=True)
    settings = settings_of(root)
    with connect(home, settings) as connection:
        load(connection, home, settings, lambda: LOADED_AT, SHIPPED_MAPPINGS)
    dbt_runner.build(home, settings, as_of)
    return home.warehouse


def make_changeable(connection: duckdb.DuckDBPyConnection) -> None:
    """Put the rows that `marts.kpi_values` shows in its place: a view's cannot be changed; the audit reads either."""
    connection.execute("create table as_shown as from marts.kpi_values")
    connection.execute("drop view marts.kpi_values")
    connection.execute("create table marts.kpi_values as from as_shown")
    connection.execute("drop table as_shown")


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse without a fault, of which every extract was delivered."""
    return built(tmp_path_factory.mktemp("sound"), AGENCY, AS_OF)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def broken(sound: Path, tmp_path: Path) -> Break:
    """Makes a copy of the sound warehouse and does to it what the statements say; each must change something."""

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
