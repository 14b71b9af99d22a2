"""The private DuckDB file: opened with the agency's settings, for one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings


@contextmanager
def connect(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for reading and writing; the caller holds HOME's lock.

    Raises AmkpiError if the file cannot be opened.
    """
    try:
        connection = duckdb.connect(str(home.warehouse))
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise AmkpiError(
            f"{home.warehouse} cannot be opened: {first}; if that does not change, `amkpi rebuild` makes a new one from"
            " archive/"
        ) from error
    try:
        # A moment without an offset is in the agency's time zone; DuckDB reads it in the zone of the session.
        connection.execute("set timezone = ?", [settings.timezone])
        connection.execute("set enable_progress_bar = false")
        connection.execute("set memory_limit = ?", [settings.storage.memory_limit])
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """One transaction: committed at the end of the block, rolled back if it raises. The block's own error is raised."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        # DuckDB refuses to roll back after a failed commit; that refusal must not replace the error that matters.
        with suppress(duckdb.Error):
            connection.rollback()
        raise


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, rows: object) -> Iterator[None]:
    """Arrow rows as a table of that name, for the block. The block's own error is raised."""
    connection.register(name, rows)
    try:
        yield
    except BaseException:
        # After a fatal error DuckDB refuses this too; that refusal must not replace the error that matters.
        with suppress(duckdb.Error):
            connection.unregister(name)
        raise
    connection.unregister(name)


def table_exists(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the warehouse holds this table."""
    return (
        connection.execute(
            "select 1 from duckdb_tables() where schema_name = ? and table_name = ?", [schema, table]
        ).fetchone()
        is not None
    )
