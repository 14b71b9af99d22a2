"""duckdb-engine as Great Expectations needs it.

A DuckDB connection holds one result at a time, and duckdb-engine's cursors are the connection itself. Great
Expectations gives the connection back before it reads the rows, so every expectation fails with `list index out of
range`. Here a cursor fetches its rows when it executes: they are few, because the work is done in DuckDB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb_engine

URL = "duckdb+fetched://"


class FetchedCursor(duckdb_engine.CursorWrapper):  # type: ignore[misc]  # duckdb-engine is not typed for subclassing
    """A cursor that keeps its own rows."""

    def __init__(self, connection: Any, wrapper: Any) -> None:
        super().__init__(connection, wrapper)
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Sequence[Any] | None = None

    def execute(self, statement: str, parameters: Any = None, context: Any = None) -> None:
        super().execute(statement, parameters, context)
        self.description = self._connection.description
        self._rows = self._connection.fetchall() if self.description else []

    def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        count = 1 if size is None else size
        rows, self._rows = self._rows[:count], self._rows[count:]
        return rows

    def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows


class FetchedConnection(duckdb_engine.ConnectionWrapper):  # type: ignore[misc]
    """A connection whose cursors keep their own rows."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._connection = connection

    def cursor(self) -> FetchedCursor:
        return FetchedCursor(self._connection, self)


class FetchedDialect(duckdb_engine.Dialect):  # type: ignore[misc]
    """DuckDB through connections of that kind, under the URL `duckdb+fetched://`."""

    supports_statement_cache = False

    def connect(self, *arguments: Any, **options: Any) -> FetchedConnection:
        wrapped = super().connect(*arguments, **options)
        return FetchedConnection(wrapped._ConnectionWrapper__c)


def register() -> None:
    """Make the URL known to SQLAlchemy."""
    from sqlalchemy.dialects import registry

    registry.register("duckdb.fetched", __name__, FetchedDialect.__name__)
