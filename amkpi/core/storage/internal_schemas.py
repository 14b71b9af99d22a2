"""The schemas of the tables that are not public, and what they are called in a published file.

The warehouse has the schemas intermediate, closing and (in a publication) fresh. In a published file their names say
that nobody outside this project should build on them. Publications of before and closing files have the names of the
warehouse, and stay readable.
"""

from __future__ import annotations

import duckdb

# The schema of the warehouse -> the schema of a published file.
PUBLISHED = {"intermediate": "internal", "closing": "internal_closing", "fresh": "internal_fresh"}


def internal_schema(connection: duckdb.DuckDBPyConnection, schema: str, database: str | None = None) -> str:
    """What a schema of the warehouse is called in an open file: a publication of now or before, or a closing file.

    database: as which the file is attached; None for the one in use.
    """
    published = PUBLISHED[schema]
    found = connection.execute(
        "select 1 from duckdb_schemas() where database_name = coalesce(?, current_database()) and schema_name = ?",
        [database, published],
    ).fetchall()
    return published if found else schema
