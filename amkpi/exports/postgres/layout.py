"""The structure in PostgreSQL: schemas, tables, keys, comments, policies and views, brought to what a publication has.

A table whose columns are the same, or has more at the end now, is kept, and so is what others have built upon it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from amkpi.access.marts import rule_of
from amkpi.core.storage.sql import identifier, literal
from amkpi.exports.postgres import policies, roles
from amkpi.exports.postgres.policies import ANALYSTS, READABLE, READERS, RIGHTS
from amkpi.exports.postgres.tables import MARTS, Table

_COLUMNS = f"""
    select relation.relname, attribute.attname, format_type(attribute.atttypid, attribute.atttypmod)
    from pg_class as relation join pg_attribute as attribute on attribute.attrelid = relation.oid
    where relation.relnamespace = to_regnamespace('{MARTS}') and relation.relkind = 'r' and attribute.attnum > 0
        and not attribute.attisdropped
    order by relation.relname, attribute.attnum"""


def fingerprint(tables: list[Table]) -> str:
    """A hash of the structure: the same for the same publication and code."""
    statements = [*_foundations(), *(each for table in tables for each in (table.create(), *_details(table)))]
    statements += [*policies.grants(tables)]
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()[:16]


def apply(cursor: Any, tables: list[Table]) -> None:
    """Create or change tables, policies and views; keys and indexes follow with `build_indexes`."""
    for statement in policies.TABLES:
        cursor.execute(statement)
    for schema, what in _SCHEMAS.items():
        cursor.execute(f"create schema if not exists {schema}")
        cursor.execute(f"comment on schema {schema} is {literal(what)}")
    for statement in (*policies.rights_views(), roles.statements_view()):
        cursor.execute(statement)
    cursor.execute(_COLUMNS)
    existing: dict[str, list[tuple[str, str]]] = {}
    for name, column, type_ in cursor.fetchall():
        existing.setdefault(name, []).append((column, type_))
    for name in sorted(existing.keys() - {table.name for table in tables}):
        _drop(cursor, name)
    for table in tables:
        _bring_columns(cursor, table, existing.get(table.name))
        for drop, _ in table.key_and_indexes():
            cursor.execute(drop)
        for statement in _details(table):
            cursor.execute(statement)


def build_indexes(cursor: Any, tables: list[Table]) -> None:
    """Make the keys and indexes that `apply` has dropped, when the tables have their rows."""
    for table in tables:
        for _, create in table.key_and_indexes():
            cursor.execute(create)


def grant(cursor: Any, tables: list[Table], changed: bool) -> None:
    """Give the roles their rights, once they exist. changed: the structure is new."""
    cursor.execute("select count(*) from pg_roles where rolname = any(%s)", [list(roles.GROUPS)])
    if cursor.fetchone()[0] < len(roles.GROUPS):
        return
    if not changed:
        cursor.execute(
            f"select bool_and(has_table_privilege(name, '{RIGHTS}.me', 'select')) from unnest(%s) as name",
            [[READERS, ANALYSTS]],
        )
        if cursor.fetchone()[0]:
            return
    for statement in policies.grants(tables):
        cursor.execute(statement)


_SCHEMAS = {
    MARTS: "The marts of the current publication, row by row as in its file; readers see the rows that they may read.",
    READABLE: "The marts as the reader may see them: the rows, and of some columns the cells.",
}


def _foundations() -> Iterator[str]:
    yield from policies.TABLES
    yield from policies.rights_views()
    yield roles.statements_view()
    yield from (f"{schema} {what}" for schema, what in _SCHEMAS.items())


def _details(table: Table) -> Iterator[str]:
    """What can be made again upon an existing table: policy, view and comments."""
    yield from policies.security(table)
    has_view = rule_of(table.name).rows != "analyst"
    for column, text in table.comments():
        tail = f"{'' if column is None else '.' + identifier(column)} is {literal(text)}"
        kind = "table" if column is None else "column"
        yield f"comment on {kind} {table.full_name}{tail}"
        if has_view:
            kind = "view" if column is None else "column"
            yield f"comment on {kind} {READABLE}.{identifier(table.name)}{tail}"


def _bring_columns(cursor: Any, table: Table, existing: list[tuple[str, str]] | None) -> None:
    wanted = [(each.name, each.type) for each in table.columns]
    if existing is not None and wanted[: len(existing)] == existing:
        for name, type_ in wanted[len(existing) :]:
            cursor.execute(f"alter table {table.full_name} add column {identifier(name)} {type_}")
        return
    if existing is not None:
        _drop(cursor, table.name)
    cursor.execute(table.create())


def _drop(cursor: Any, name: str) -> None:
    """Drop a table and its view. It is refused where an analyst's view depends on them, which must not vanish."""
    cursor.execute(f"drop view if exists {READABLE}.{identifier(name)}")
    cursor.execute(f"drop table {MARTS}.{identifier(name)}")
