"""Whether two warehouse files hold the same marts: every row and column, numbers within a relative 1e-9."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from amkpi.core.storage.sql import literal

TOLERANCE = 1e-9
# Schemas that hold what the models made.
MODELS = ("marts", "intermediate", "kpis", "staging")
# Fingerprints are of the engine that made them: a build compares only its own.
OF_THE_ENGINE = {("intermediate", "int_period_fingerprints")}
# The difference of two other columns: it may be as wrong as they are, and they may be nearly equal.
DIFFERENCE_OF = {("scorecard_lines", "change"): ("value", "previous_value")}


@dataclass(frozen=True)
class Comparison:
    """What was compared, and what differs: a line for each column, or for a relation."""

    rows: int
    values: int
    differences: tuple[str, ...]


def compare(one: Path, other: Path, schemas: tuple[str, ...] = MODELS) -> Comparison:
    """Compare the relations of two files: their names, types, rows and values.

    Rows are matched in the order of all columns that are no fractions, then of the fractions. Texts, dates, whole
    numbers and truths must be equal, and NULL only equals NULL.
    """
    rows = values = 0
    found: list[str] = []
    with duckdb.connect() as connection:
        for name, path in (("one", one), ("other", other)):
            connection.execute(f"attach {literal(str(path))} as {name} (read_only)")
        relations = [_relations(connection, name, schemas) for name in ("one", "other")]
        for relation in sorted(relations[0].keys() | relations[1].keys()):
            columns = relations[0].get(relation)
            if columns != relations[1].get(relation):
                found.append(f"{'.'.join(relation)}: {columns} is not {relations[1].get(relation)}")
                continue
            if relation in OF_THE_ENGINE or columns is None:
                continue
            differing, count = _differing_columns(connection, relation, columns)
            found += [f"{'.'.join(relation)}{column}" for column in differing]
            rows, values = rows + count, values + count * len(columns)
    return Comparison(rows, values, tuple(found))


def _relations(
    connection: duckdb.DuckDBPyConnection, database: str, schemas: tuple[str, ...]
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """(schema, name) -> its columns with their types."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for schema, name, column, kind in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() where database_name = ?"
        " and list_contains(?, schema_name) order by schema_name, table_name, column_index",
        [database, list(schemas)],
    ).fetchall():
        found.setdefault((schema, name), []).append((column, kind))
    return found


def _differing_columns(
    connection: duckdb.DuckDBPyConnection, relation: tuple[str, str], columns: list[tuple[str, str]]
) -> tuple[list[str], int]:
    """The columns of which a value differs, each with an example, and how many rows there are."""
    schema, name = relation
    counts = []
    for database in ("one", "other"):
        connection.execute(f"use {database}")  # a view names its relations without a database
        counts += connection.execute(f"select count(*) from {schema}.{name}").fetchall()[0]
    if counts[0] != counts[1]:
        return [f": {counts[0]} rows, not {counts[1]}"], counts[0]
    fractions = {column for column, kind in columns if kind == "DOUBLE" or kind.startswith("DECIMAL")}
    order = [f'"{column}"' for column, _ in columns if column not in fractions]
    order += [f'"{column}"' for column in sorted(fractions)]
    for database in ("one", "other"):
        connection.execute(f"use {database}")
        connection.execute(
            f"create or replace temp table of_{database} as"
            f" select *, row_number() over (order by {', '.join(order)}) as _place from {schema}.{name}"
        )
    found = []
    for column, _ in columns:
        here, there = f'a."{column}"', f'b."{column}"'
        differs = f"{here} is distinct from {there}"
        if column in fractions:
            scale = [here, there, *(f'a."{other}"' for other in DIFFERENCE_OF.get((name, column), ()))]
            near = f"abs({here} - {there}) <= {TOLERANCE} * greatest({', '.join(f'abs({each})' for each in scale)})"
            differs = f"{differs} and not coalesce({near}, false)"
        wrong = connection.execute(
            f"select count(*), any_value({here}), any_value({there}) from of_one as a"
            f" inner join of_other as b using (_place) where {differs}"
        ).fetchall()[0]
        if wrong[0]:
            found.append(f".{column}: {wrong[0]} values differ, such as {wrong[1]!r} and {wrong[2]!r}")
    return found, counts[0]
