"""A DuckDB file without names: it is written again as a whole, because free blocks of a file keep what was in them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from amkpi.core.erasure.replacement import Replacement
from amkpi.core.storage.sql import identifier, literal


@dataclass
class _Changes:
    """What changes in a table. replaced: SQL of each changed column; values: its parameters; cells: how many change."""

    replaced: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    cells: int = 0


def count(file: Path, replacement: Replacement) -> int:
    """How many cells of the file would change. Raises duckdb.Error."""
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(str(file))} as old (read_only)")
        return sum(found.cells for found in _changes(connection, replacement).values())


def rewrite(file: Path, target: Path, replacement: Replacement, storage_version: str) -> int:
    """Write the file to `target` with the same tables, views and comments, without the names.

    Rows keep their order. Returns how many cells changed; if none did, nothing is written. Raises duckdb.Error.
    """
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(str(file))} as old (read_only)")
        changes = _changes(connection, replacement)
        changed = sum(found.cells for found in changes.values())
        if changed:
            connection.execute(f"attach {literal(str(target))} as new (storage_version {literal(storage_version)})")
            connection.execute("copy from database old to new (schema)")
            for table, found in changes.items():
                replaced = f" replace ({', '.join(found.replaced)})" if found.replaced else ""
                connection.execute(
                    f"insert into new.{table} by name select *{replaced} from old.{table}", found.values or None
                )
            connection.execute("checkpoint new")
            connection.execute("detach new")
        return changed


def _changes(connection: duckdb.DuckDBPyConnection, replacement: Replacement) -> dict[str, _Changes]:
    """What changes in each table of the database `old`."""
    columns: dict[str, list[str]] = defaultdict(list)
    for schema, table, column, kind in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns()"
        " semi join duckdb_tables() using (database_name, schema_name, table_name)"
        " where database_name = 'old' order by table_oid, column_index"
    ).fetchall():
        texts = columns[f"{identifier(schema)}.{identifier(table)}"]
        if kind == "VARCHAR":
            texts.append(identifier(column))
    return {table: _of_table(connection, table, texts, replacement) for table, texts in columns.items()}


def _of_table(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], replacement: Replacement
) -> _Changes:
    found = _Changes()
    searched = replacement.searched
    if not columns or not searched:
        return found
    has_any = {column: f"regexp_matches({column}, {literal(searched)}, 'i')" for column in columns}
    asked = ", ".join(f"bool_or({condition})" for condition in has_any.values())
    (present,) = connection.execute(f"select {asked} from old.{table}").fetchall()
    own = " or ".join(f"{column} = {literal(replacement.identity)}" for column in columns)
    is_own = f"coalesce({own}, false)"
    for number, column in enumerate(column for column, is_there in zip(columns, present, strict=True) if is_there):
        cells = connection.execute(
            f"select {column}, {is_own}, count(*) from old.{table} where {has_any[column]} group by all"
        ).fetchall()
        new = {(text, of_own): replacement.in_cell(text, of_own) for text, of_own, _ in cells}
        maps = {}
        for of_own in (True, False):
            pairs = [(text, other) for (text, own_row), other in new.items() if own_row == of_own and text != other]
            name = f"{'own' if of_own else 'any'}{number}"
            found.values |= {f"{name}_old": [text for text, _ in pairs], f"{name}_new": [other for _, other in pairs]}
            maps[of_own] = f"map(${name}_old::varchar[], ${name}_new::varchar[])[{column}]"
        found.replaced.append(
            f"coalesce(case when {is_own} then {maps[True]} else {maps[False]} end, {column}) as {column}"
        )
        found.cells += sum(rows for text, of_own, rows in cells if new[text, of_own] != text)
    return found
