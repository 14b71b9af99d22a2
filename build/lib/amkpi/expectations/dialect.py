"""A dialect of SQLAlchemy for DuckDB that works with Great Expectations; its URL is `duckdb+fetched://`.

A DuckDB connection holds one result at a time, and in duckdb-engine the cursor is the connection. Great Expectations
returns the connection before it reads the rows, so every expectation fails with `list index out of range`. Here a
cursor fetches its rows when it executes. They are few, because the work is done in DuckDB.

The columns of a table are read from DuckDB's own catalogue. duckdb-engine reads that of PostgreSQL, with functions that
DuckDB does not have; Great Expectations then looks for the table without its schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb_engine

URL = "duckdb+fetched://"


class FetchedCursor(duckdb_engine.CursorWrapper):  # type: ignore[misc]  # duckdb-engine's types are not followed
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


class FetchedConnection(duckdb_engine.ConnectionWrapper):  # type: ignore[misc]  # as above
    """A connection whose cursors keep their own rows."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._connection = connection

    def cursor(self) -> FetchedCursor:
        return FetchedCursor(self._connection, self)


class FetchedDialect(duckdb_engine.Dialect):  # type: ignore[misc]  # as above
    """DuckDB with these connections."""

    supports_statement_cache = False

    def connect(self, *arguments: Any, attached: Mapping[str, str] | None = None, **options: Any) -> FetchedConnection:
        """Connect. attached: the paths of further files to read, by the name under which queries see them."""
        connection = super().connect(*arguments, **options)._ConnectionWrapper__c
        for name, path in (attached or {}).items():
            # All connections of a process to a file share one instance, so a second one finds the file attached.
            connection.execute(f"attach if not exists '{path.replace(chr(39), 2 * chr(39))}' as {name} (read_only)")
        return FetchedConnection(connection)

    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        from sqlalchemy import text
        from sqlalchemy.types import NullType

        found = connection.execute(
            text(
                "select column_name, data_type, is_nullable from duckdb_columns()"
                " where table_name = :name and schema_name = :schema and database_name = current_database()"
                " order by column_index"
            ),
            {"name": str(table_name), "schema": schema or "main"},
        )
        return [
            {
                "name": name,
                "type": self.ischema_names.get(data_type.lower(), NullType)(),
                "nullable": nullable,
                "default": None,
            }
            for name, data_type, nullable in found.fetchall()
        ]

    def get_pk_constraint(
        self, connection: Any, table_name: str, schema: str | None = None, **options: Any
    ) -> dict[str, Any]:
        return {"constrained_columns": [], "name": None}


def register() -> None:
    """Register the dialect with SQLAlchemy."""
    from sqlalchemy import TryCast
    from sqlalchemy.dialects import registry
    from sqlalchemy.ext.compiler import deregister

    # duckdb-engine registers a function for TryCast in SQLAlchemy. It keeps DuckDB alive when the interpreter ends, and
    # DuckDB then prints 80 lines about leaks to the terminal. No expectation uses TRY_CAST.
    deregister(TryCast)
    registry.register("duckdb.fetched", __name__, FetchedDialect.__name__)
