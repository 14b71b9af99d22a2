"""What closed periods would be if a cause were undone: the models, run again on the rows as they would be.

The rules of the KPIs stay in one place, the models. This module runs them in a temporary warehouse, and removes it
afterwards.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb

from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.core.storage.sql import literal
from amkpi.publishing.closing import sums
from amkpi.publishing.closing.changes import COMPARED, Cause, Then, without
from amkpi.transform import dbt_runner

# What is compared, and all that it reads.
_MODELS = ["run", "--select", "+int_kpi_sums", "+int_comparable_scores", "--full-refresh"]
# Of closings the models read which periods are closed, and the closed lines of the private KPI.
_OF_CLOSINGS = ("periods", "previous_values", "private_lines", "closings")


@dataclass(frozen=True)
class Scratch:
    """Where the models are run. connection: the warehouse, which has what `changes.compare` made."""

    home: Home
    connection: duckdb.DuckDBPyConnection
    settings: Settings
    settings_then: Settings
    as_of: date
    then: Then


@contextmanager
def scratch_home(home: Home, name: str) -> Iterator[Home]:
    """A home with a temporary warehouse, in a folder of that name next to the real one; it is removed at the end."""
    # The file has the same name: what dbt has read of its project is kept for that name.
    folder = home.warehouse.parent / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield Home(home.root, home.landing, warehouse_name=f"{folder.name}/{home.warehouse.name}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_without(scratch: Scratch, undone: frozenset[Cause], name: str, progress: Callable[[str], None]) -> None:
    """Compute sums and scores of the closed periods as they would be without these causes.

    Makes the temp tables `sums_<name>` and `scores_<name>`. Raises AmkpiError where a model cannot be run.
    """
    progress(f"why closed periods moved: without {', '.join(sorted(undone))}")
    connection, file = scratch.connection, scratch.home.warehouse
    file.unlink(missing_ok=True)
    connection.execute(f"attach {literal(str(file))} as scratch")
    for schema in ("valid", "closing", "audit"):
        connection.execute(f"create schema scratch.{schema}")
    for extract in COMPARED:
        connection.execute(f"create table scratch.valid.{extract.name} as {without(extract, undone, scratch.then)}")
    # Reviews say who has a row; the private KPI itself counts as closed.
    connection.execute("create table scratch.valid.peer_reviews as from valid.peer_reviews")
    for table in _OF_CLOSINGS:
        connection.execute(f"create table scratch.closing.{table} as from closing.{table}")
    connection.execute("create table scratch.audit.previous_fingerprints as from audit.previous_fingerprints limit 0")
    connection.execute("detach scratch")
    settings = scratch.settings_then if Cause.settings_changed in undone else scratch.settings
    dbt_runner.run_dbt(scratch.home, settings, scratch.as_of, _MODELS, lambda line: None)
    connection.execute(f"attach {literal(str(file))} as scratch (read_only)")
    connection.execute(f"create or replace temp table sums_{name} as {sums.of_build('closing.periods', 'scratch.')}")
    connection.execute(
        f"create or replace temp table scores_{name} as from scratch.intermediate.int_comparable_scores"
        " semi join closing.periods using (period_grain, period_start)"
    )
    connection.execute("detach scratch")
