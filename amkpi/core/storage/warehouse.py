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
    """Open the warehouse as it is.

    Raises AmkpiError if the file cannot be opened, or if the block needs more memory than the setting allows.
    """
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
    except duckdb.OutOfMemoryException as error:
        raise AmkpiError(out_of_memory(str(error), settings) or str(error)) from error
    finally:
        connection.close()


def out_of_memory(message: str, settings: Settings) -> str | None:
    """The setting to raise, where this is DuckDB's message that it may not use more memory; None for any other.

    Its own advice names settings of DuckDB, which the pipeline sets itself.
    """
    if "Out of Memory Error: " not in message:
        return None
    return (
        f"DuckDB needs more memory than {settings.storage.memory_limit}: raise the setting memory_limit"
        " (AMKPI_MEMORY_LIMIT), and the memory of the container by the same amount"
    )


def table_exists(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the warehouse holds this table."""
    return (
        connection.execute(
            "select 1 from duckdb_tables() where schema_name = ? and table_name = ?", [schema, table]
        ).fetchone()
        is not None
    )
