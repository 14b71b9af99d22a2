"""Blocks of work on a DuckDB connection whose clean-up never hides the error of the block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb


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
