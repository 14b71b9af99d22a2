"""The private DuckDB file: one writer at a time, opened with the agency's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings


@contextmanager
def connect(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for reading and writing; the caller holds HOME's lock.

    Raises AmkpiError where the file cannot be opened.
    """
    try:
        connection = duckdb.connect(str(home.warehouse))
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise AmkpiError(
            f"{home.warehouse} cannot be opened: {first}; if it stays so, `amkpi rebuild` makes it anew from archive/"
        ) from error
    try:
        # Moments without an offset are the agency's; DuckDB takes them by the session's zone.
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
