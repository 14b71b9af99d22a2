"""The HOME of version 0.1.0 that is kept as a fixture."""

from __future__ import annotations

import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from tests.paths import ROOT

ARCHIVE = ROOT / "tests" / "fixtures" / "home_0_1_0" / "home.tar.xz"
AS_OF = date(2026, 3, 20)
NOW = datetime(2026, 3, 22, 2, 0, tzinfo=UTC)
STORES = {
    "journal.sqlite": "deliveries",
    "audits.sqlite": "findings",
    "scorecards.sqlite": "sendings",
    "alarms.sqlite": "alarms",
}


def home_of_0_1_0(folder: Path) -> Run:
    """The fixture, unpacked below the folder; the run is of its last date, two days later in the morning."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    home = Home.at(folder / "home")
    return replace(Run(home, load_settings(home, {}), AS_OF), now=lambda: NOW)


def count_of_stores(state: Path, names: Callable[[str], str] = lambda name: name) -> dict[str, int]:
    """How many rows the largest table of each state store has; `names` gives a file's present name."""
    found = {}
    for name, table in STORES.items():
        with closing(sqlite3.connect(state / names(name))) as connection:
            found[name] = connection.execute(f"select count(*) from {table}").fetchone()[0]
    return found


def rows(file: Path, sql: str) -> list[tuple[object, ...]]:
    """What a query on a DuckDB file gives."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()
