"""The private DuckDB file: opened with the agency's settings, for one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from amkpi.core import terminal
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.core.storage.migrations import warehouse as layout


@contextmanager
def connect(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for reading and writing, in the newest layout; the caller holds HOME's lock.

    Raises AmkpiError if the file cannot be opened, or a newer version wrote it.
    """
    with open_warehouse(home, settings) as connection:
        # `locked` has done this, unless the file was replaced by an older one.
        applied = layout.bring_up_to_date(connection)
        if applied:
            terminal.report(f"{home.warehouse} was brought up to date: {applied}")
        yield connection


@contextmanager
def open_warehouse(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse as it is. Raises AmkpiError if the file cannot be opened."""
    try:
        connection = duckdb.connect(str(home.warehouse))
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise AmkpiError(
            f"{home.warehouse} cannot be opened: {first}; if that does not change, {home.warehouse_remedy}"
        ) from error
    try:
        # A moment without an offset is in the agency's time zone; DuckDB reads it in the zone of the session.
        connection.execute("set timezone = ?", [settings.timezone])
        connection.execute("set enable_progress_bar = false")
        connection.execute("set memory_limit = ?", [settings.storage.memory_limit])
        yield connection
    finally:
        connection.close()


def table_exists(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the warehouse holds this table."""
    return (
        connection.execute(
            "select 1 from duckdb_tables() where schema_name = ? and table_name = ?", [schema, table]
        ).fetchone()
        is not None
    )
