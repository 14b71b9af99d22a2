"""The tables of a publication in PostgreSQL: types, keys, indexes and comments, from the published file and dbt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import duckdb
import yaml

from amkpi.core.catalogue import YAML_LOADER
from amkpi.core.errors import AmkpiError
from amkpi.core.language import mart_texts
from amkpi.core.storage.sql import identifier, literal

MARTS = "marts"
_TYPES = {
    "BIGINT": "bigint", "BOOLEAN": "boolean", "DATE": "date", "DOUBLE": "double precision", "INTEGER": "integer",
    "JSON": "text", "SMALLINT": "smallint", "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone", "VARCHAR": "text", "VARCHAR[]": "text[]",
}  # fmt: skip
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
# What tools filter by. An index for each of these that a table has, unless the key of the table begins with it.
_FILTERED = (("period_grain", "period_start"), ("staff_id",), ("client_id",))


@dataclass(frozen=True)
class Column:
    """A column: its name, its type in DuckDB and in PostgreSQL."""

    name: str
    duckdb_type: str
    type: str


@dataclass(frozen=True)
class Key:
    """The columns that are unique together. is_primary: none of them is ever NULL."""

    columns: tuple[str, ...]
    is_primary: bool


@dataclass(frozen=True)
class Table:
    """A mart as a table of PostgreSQL."""

    name: str
    columns: tuple[Column, ...]
    key: Key | None

    @property
    def full_name(self) -> str:
        """Schema and name, quoted."""
        return f"{MARTS}.{identifier(self.name)}"

    def has(self, *columns: str) -> bool:
        """Whether it has these columns."""
        return set(columns) <= {each.name for each in self.columns}

    def create(self) -> str:
        """SQL that creates the empty table."""
        columns = ", ".join(f"{identifier(each.name)} {each.type}" for each in self.columns)
        return f"create table {self.full_name} ({columns})"

    def key_and_indexes(self) -> Iterator[tuple[str, str]]:
        """The key and the indexes: SQL that drops it where it exists, SQL that makes it."""
        if self.key is not None:
            name = identifier(f"{self.name}_key")
            kind = "primary key" if self.key.is_primary else "unique nulls not distinct"
            yield (
                f"alter table {self.full_name} drop constraint if exists {name}",
                f"alter table {self.full_name} add constraint {name} {kind} ({_list(self.key.columns)})",
            )
        for columns in _FILTERED:
            if self.has(*columns) and not (self.key and self.key.columns[: len(columns)] == columns):
                name = identifier(f"{self.name}_{columns[-1]}_idx")
                yield (
                    f"drop index if exists {MARTS}.{name}",
                    f"create index {name} on {self.full_name} ({_list(columns)})",
                )

    def comments(self) -> Iterator[tuple[str | None, str]]:
        """The comments: column, or None for the table, and text."""
        texts = mart_texts.comments()
        for column in (None, *(each.name for each in self.columns)):
            if (self.name, column) in texts:
                yield column, texts[self.name, column]

    def rows(self) -> str:
        """SQL for the rows in DuckDB; a list becomes the text of an array, because CSV has no lists."""
        return f"select {', '.join(map(_exported, self.columns))} from {self.full_name}"


def tables_of(connection: duckdb.DuckDBPyConnection) -> list[Table]:
    """The marts of a published file, by name. Raises AmkpiError for a type that PostgreSQL is not given yet."""
    columns: dict[str, list[Column]] = {}
    for table, name, duckdb_type in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        f" where database_name = current_database() and schema_name = {literal(MARTS)}"
        " order by table_name, column_index"
    ).fetchall():
        columns.setdefault(table, []).append(Column(name, duckdb_type, _type(table, name, duckdb_type)))
    known = keys()
    return [Table(name, tuple(found), known.get(name)) for name, found in columns.items()]


@cache
def keys() -> Mapping[str, Key]:
    """The key of each mart that has one, as the dbt tests of the marts check it."""
    found = {}
    for path in sorted((mart_texts.MODELS / "marts").rglob("*.yml")):
        declared, _, _ = path.read_text(encoding="utf-8").partition("\nunit_tests:")
        for model in yaml.load(declared, Loader=YAML_LOADER)["models"]:
            columns = next(_key_columns(model), ())
            if columns:
                required = {each["name"] for each in model["columns"] if "not_null" in each.get("data_tests", ())}
                found[model["name"]] = Key(tuple(columns), set(columns) <= required)
    return MappingProxyType(found)


def _key_columns(model: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """The columns of each test of the model that they are unique."""
    for test in model.get("data_tests", ()):
        for name in ("is_unique", "unique_combination"):
            if name in test:
                yield test[name]["arguments"]["columns"]
    for column in model["columns"]:
        if "unique" in column.get("data_tests", ()):
            yield [column["name"]]


def _type(table: str, column: str, duckdb_type: str) -> str:
    decimal = _DECIMAL.fullmatch(duckdb_type)
    if decimal:
        return f"numeric({decimal[1]},{decimal[2]})"
    if duckdb_type not in _TYPES:
        raise AmkpiError(f"{MARTS}.{table}.{column} is {duckdb_type}: exports/postgres/tables.py has no type for it")
    return _TYPES[duckdb_type]


def _exported(column: Column) -> str:
    name = identifier(column.name)
    if column.duckdb_type != "VARCHAR[]":
        return name
    escaped = r"""'"' || replace(replace(element, '\', '\\'), '"', '\"') || '"'"""
    elements = f"list_transform({name}, lambda element: coalesce({escaped}, 'NULL'))"
    return f"'{{' || array_to_string({elements}, ',') || '}}' as {name}"


def _list(columns: Sequence[str]) -> str:
    return ", ".join(map(identifier, columns))
