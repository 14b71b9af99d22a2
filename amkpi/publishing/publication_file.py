"""The file of a publication: which tables of the warehouse it holds, and how they are copied into it.

The file is written in full, or it is a copy of the base publication in which only the rows of changed periods are
replaced. The base publication is the one on which an incremental build rests. Both ways give the same rows; after the
second way the tables behind the marts are compared with the warehouse.

The public marts are tables, because some tools do not list views. Their comments are the texts of docs/marts.md.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from amkpi.core.language import mart_texts
from amkpi.core.language.translator import Message
from amkpi.core.storage.internal_schemas import PUBLISHED
from amkpi.core.storage.sql import identifier, literal
from amkpi.core.storage.transactions import transaction
from amkpi.publishing import mart_changes
from amkpi.publishing.mart_changes import MartChanges, in_list

# DuckDB 1.4 and later can open this format. Clients before 2.0 cannot open the default format of DuckDB 2.0.
STORAGE_VERSION = "v1.4.0"
# The marts that are views in the warehouse. Their computed rows are views in the published file too. A view follows
# those that it reads.
COMPUTED_VIEWS = ("kpi_values", "kpi_evidence", "scorecard_lines", "supporting_measures")
# The marts in which closed periods are as they were closed. Their computed rows are in the schema internal_fresh; the
# public mart has those of the open periods and the closed rows, which are in the schema internal_closing.
CLOSABLE = ("kpi_values", "kpi_evidence", "scorecards", "scorecard_lines", "supporting_measures")
# What the views read of closings.
_CLOSING = ("periods", "previous_values", *CLOSABLE)
# The marts that also hold ids that only closed rows name.
DIMENSIONS = ("dim_staff", "dim_client")
# The tables that those views and `amkpi explain` read. They are not part of the public marts.
TABLES_BEHIND_MARTS = (
    "int_kpi_catalogue",
    "int_measure_catalogue",
    "int_scope_members",
    "int_kpi_values",
    "int_scorecard_lines",
    "int_measure_sums",
    "int_daily_measures",
    "int_kpi_records",
    "int_client_records",
    "int_period_months",
    "int_management_chain",
    "int_record_details",
    "int_team_paths",
    "int_exclusions",
    "int_comparable_scores",
    # A view in the warehouse. The pages ask for the spans of one line at a time: as a view that takes 20 ms of CPU.
    "int_target_spans",
)
# What is not in the warehouse under the same name.
_SOURCES = {
    "fresh.scorecards": "marts.scorecards",
    **{f"marts.{name}": f"(from marts.{name} union all by name from closing.{name})" for name in DIMENSIONS},
}
# The large tables, each with what says which rows an incremental build may have changed: `_Changed` has the conditions.
# All other tables are replaced in full.
REPLACED_BY_PERIOD = {
    "intermediate.int_scope_members": "by_id",
    "intermediate.int_kpi_values": "by_id",
    "intermediate.int_scorecard_lines": "by_id",
    "intermediate.int_measure_sums": "by_id",
    "intermediate.int_target_spans": "by_id",
    "intermediate.int_kpi_records": "by_month",
    "intermediate.int_client_records": "by_start",
    "fresh.scorecards": "by_start",
}
# Above this share of changed values a file in full takes less time, and has less free space in it.
_MOST = 0.5
# A view: to compare its rows would compute all of them. The fingerprints of the periods have its inputs.
_TARGET_SPANS = "intermediate.int_target_spans"


@dataclass(frozen=True)
class _Changed:
    """The periods that the build computed again, and those that went: as conditions on rows, and as grain and start."""

    by_id: str
    by_start: str
    by_month: str
    periods: list[tuple[str, date]]


def write(connection: duckdb.DuckDBPyConnection, target: Path, base: Path | None) -> str | None:
    """Write the published tables and views of the warehouse to a new file.

    base: the file of the base publication; None after a full build. Returns DuckDB's message where an error ended the
    way from the base, and the file was written in full after it. Raises OSError and duckdb.Error where the file cannot
    be written.
    """
    error = None
    with _memory_left_for_rows(connection):
        if base is not None:
            try:
                if _write_from_base(connection, target, base):
                    return None
            except duckdb.Error as raised:
                # An unreadable base must not stop a publication that can be written without it. If the disk is full or
                # the warehouse is broken, writing the file in full raises the same error.
                error = str(raised)
        target.unlink(missing_ok=True)
        _write_in_full(connection, target)
    return error


def as_readers_see(mart: str, computed: str, closing: str = "closing") -> str:
    """SQL for one of the `CLOSABLE` marts: the computed rows of the open periods, and the closed rows of the others.

    closing: the schema of the closed rows.
    """
    return (
        f"select * from {computed} as computed where not exists (select 1 from {closing}.periods as closed"
        " where closed.period_grain = computed.period_grain and closed.period_start = computed.period_start)"
        f" union all select * from {closing}.{mart}"
    )


@contextmanager
def _memory_left_for_rows(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Joins and sorts spill to disk above a quarter of the memory limit; after an error that stays so.

    Otherwise they take nearly all of it, and the rows that the same statement writes find none.
    """
    # Without a limit DuckDB shows a number that it cannot read itself.
    setting = "try(parse_formatted_bytes(current_setting('memory_limit')))"
    ((limit,),) = connection.execute(f"select {setting}").fetchall()
    if limit is not None:
        connection.execute(f"set operator_memory_limit = '{limit // 4} bytes'")
    yield
    connection.execute("reset operator_memory_limit")


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, target: Path) -> Iterator[None]:
    path = str(target).replace("'", "''")
    connection.execute(f"attach '{path}' as new_publication (storage_version '{STORAGE_VERSION}')")
    try:
        yield
        connection.execute("checkpoint new_publication")
    finally:
        connection.execute("detach new_publication")


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of a publication that hold a relation of the warehouse, by their names in the warehouse."""
    marts = connection.execute(
        "select table_name from information_schema.tables where table_catalog = current_database()"
        " and table_schema = 'marts' order by table_name"
    ).fetchall()
    return [
        *(f"intermediate.{table}" for table in TABLES_BEHIND_MARTS),
        *(f"closing.{table}" for table in _CLOSING),
        "fresh.scorecards",
        *(f"marts.{table}" for (table,) in marts if table not in CLOSABLE),
    ]


def _views() -> list[str]:
    """The views of a publication, by their names in the warehouse."""
    return [f"marts.{view}" for view in COMPUTED_VIEWS]


def _source(table: str) -> str:
    """The relation of the warehouse that a table of the file holds."""
    return _SOURCES.get(table, table)


def _in_file(relation: str) -> str:
    """A relation of the warehouse by its name in the file."""
    schema, name = relation.split(".")
    return f"{PUBLISHED.get(schema, schema)}.{name}"


def _write_in_full(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    # On its own, each of the 60 tables would wait for the disk. The marts come after a commit: DuckDB reads what a
    # transaction has written itself more slowly.
    with _attached(connection, target):
        with transaction(connection):
            for schema in ("marts", *PUBLISHED.values()):
                connection.execute(f"create schema new_publication.{schema}")
            for table in _tables(connection):
                connection.execute(f"create table new_publication.{_in_file(table)} as from {_source(table)}")
        with transaction(connection):
            warehouse = connection.execute("select current_database()").fetchall()[0][0]
            queries = {view: _query(connection, view) for view in _views()}
            connection.execute("use new_publication")
            for view, query in queries.items():
                # The computed rows of the marts are in `internal_fresh`, and are made of each other.
                computed = _in_file(view.replace("marts.", "fresh."))
                connection.execute(f"create view {computed} as {_SCHEMAS.sub(_named_in_file, query)}")
            connection.execute(f"use {warehouse}")
            _write_closable(connection)
            _comment(connection)


def _query(connection: duckdb.DuckDBPyConnection, view: str, tables: dict[str, str] | None = None) -> str:
    """The query of a view of the warehouse, which names no database.

    tables: what it reads instead of relations of the warehouse, by their names without a schema.
    """
    # The SQL of a view begins with `create view` and the name of the database.
    ((sql,),) = connection.execute(
        "select sql from duckdb_views() where database_name = current_database()"
        " and schema_name || '.' || view_name = ?",
        [view],
    ).fetchall()
    query = str(sql).split(" AS ", 1)[1].rstrip(";\n")
    return _RELATIONS.sub(lambda found: (tables or {}).get(found[2], found[0]), query)


# The schemas and the relations in the query of a view.
_SCHEMAS = re.compile(r"\b(marts|intermediate|closing)\.")
_RELATIONS = re.compile(rf"{_SCHEMAS.pattern}(\w+)")


def _named_in_file(schema: re.Match[str]) -> str:
    return PUBLISHED["fresh" if schema[1] == "marts" else schema[1]] + "."


def _closable_rows(mart: str) -> str:
    """SQL for the rows of a mart that unites computed and closed rows, from what the file has of both."""
    fresh, closing = (f"new_publication.{PUBLISHED[schema]}" for schema in ("fresh", "closing"))
    return as_readers_see(mart, f"{fresh}.{mart}", closing)


def _write_closable(connection: duckdb.DuckDBPyConnection) -> None:
    for mart in CLOSABLE:
        connection.execute(f"create table new_publication.marts.{mart} as {_closable_rows(mart)}")


def _replace_closable(connection: duckdb.DuckDBPyConnection, target: Path, changes: MartChanges) -> None:
    """Replace the rows of the marts that differ."""
    for mart in CLOSABLE:
        # Until the file is detached, DuckDB keeps in memory a part of what was replaced in it, and cannot spill it.
        with _attached(connection, target):
            _replace(connection, mart, changes.periods, _closable_rows(mart))
    with _attached(connection, target):
        _replace(
            connection,
            "supporting_measures",
            f"{changes.measures} and not {changes.periods}",
            _closable_rows("supporting_measures"),
        )
        _replace_evidence_of_records(connection, changes)
        with transaction(connection):
            _comment(connection)


def _replace_evidence_of_records(connection: duckdb.DuckDBPyConnection, changes: MartChanges) -> None:
    # A condition on the records would compute the whole mart, so its query is run on these records alone.
    tables = {"kpi_values": f"new_publication.{_in_file('fresh.kpi_values')}"}
    for behind in TABLES_BEHIND_MARTS:
        tables[behind] = f"new_publication.{_in_file(f'intermediate.{behind}')}"
    for records in ("int_kpi_records", "int_client_records"):
        connection.execute(
            f"create or replace temp table changed_{records} as from {tables[records]}"
            " semi join changed_records using (source_extract, source_id)"
        )
        tables[records] = f"temp.changed_{records}"
    _replace(
        connection,
        "kpi_evidence",
        "(source_extract, source_id) in (select source_extract, source_id from temp.changed_records)"
        f" and not is_closed and not {changes.periods}",
        as_readers_see(
            "kpi_evidence",
            f"({_query(connection, 'marts.kpi_evidence', tables)})",
            f"new_publication.{PUBLISHED['closing']}",
        ),
    )


def _replace(connection: duckdb.DuckDBPyConnection, mart: str, condition: str, rows: str) -> None:
    table = f"new_publication.marts.{mart}"
    with transaction(connection):
        connection.execute(f"delete from {table} where {condition}")
        connection.execute(f"insert into {table} by name select * from ({rows}) where {condition}")


_INTERNAL = Message("Internal: another version may change it. The public tables are in the schema marts.")


def _comment(connection: duckdb.DuckDBPyConnection) -> None:
    """Say in the file what each table and column is, in English and Vietnamese."""
    texts, internal = mart_texts.comments(), mart_texts.comment(_INTERNAL.text)
    relations = connection.execute(
        "select schema_name, table_name, 'table', (select list(column_name) from duckdb_columns() as columns where"
        " columns.table_oid = tables.table_oid and columns.database_name = tables.database_name)"
        " from duckdb_tables() as tables where database_name = 'new_publication' union all"
        " select schema_name, view_name, 'view', (select list(column_name) from duckdb_columns() as columns where"
        " columns.table_oid = views.view_oid and columns.database_name = views.database_name)"
        " from duckdb_views() as views where database_name = 'new_publication' and not internal"
    ).fetchall()
    statements = []
    for schema, name, kind, columns in relations:
        of_mart = schema == "marts"
        full_name = f"new_publication.{schema}.{identifier(name)}"
        for column in (None, *columns):
            text = texts.get((name, column)) if of_mart else internal
            if text is not None:
                what = f"{kind} {full_name}" if column is None else f"column {full_name}.{identifier(column)}"
                statements.append(f"comment on {what} is {literal(text)}")
    connection.execute(";".join(statements))


def _write_from_base(connection: duckdb.DuckDBPyConnection, target: Path, base: Path) -> bool:
    """Copy the base publication and replace what changed; False if most of it did, or if the result differs from the
    warehouse.

    The views stay as they are: an incremental build rests only on a build by the same code.
    """
    changed_values = "period_id in (select period_id from intermediate.int_changed_periods)"
    ((share,),) = connection.execute(f"select avg(({changed_values})::int) from intermediate.int_kpi_values").fetchall()
    if share is None or share > _MOST:
        return False
    shutil.copyfile(base, target)
    with _attached(connection, target):
        changed = _changed(connection)
        changes = mart_changes.find(connection, "new_publication", changed.periods)
        if changes is None:
            return False
        _replace_changed(connection, changed)
        is_equal = all(
            _are_equal(connection, _source(table), f"new_publication.{_in_file(table)}")
            for table in REPLACED_BY_PERIOD
            if table != _TARGET_SPANS
        )
    if is_equal:
        _replace_closable(connection, target, changes)
    return is_equal


def _changed(connection: duckdb.DuckDBPyConnection) -> _Changed:
    # Deleted periods exist only in the old file, so the union of both is taken.
    periods = connection.execute(
        "select distinct period_id, period_grain, period_start from"
        f" (from new_publication.{_in_file('intermediate.int_period_months')}"
        " union all by name from intermediate.int_period_months)"
        " where period_id in (select period_id from intermediate.int_changed_periods) order by all"
    ).fetchall()
    months = connection.execute("select month_start from intermediate.int_changed_months order by all").fetchall()
    starts = [(grain, start) for _, grain, start in periods]
    return _Changed(
        in_list("period_id", [(number,) for number, _, _ in periods]),
        in_list("(period_grain, period_start)", starts),
        in_list("month_start", months),
        starts,
    )


def _replace_changed(connection: duckdb.DuckDBPyConnection, changed: _Changed) -> None:
    # As a condition on the view it would compute the spans of all periods.
    connection.execute(
        f"create or replace temp table changed_days as from intermediate.int_counted_days where {changed.by_id}"
    )
    spans = f"({_query(connection, _TARGET_SPANS, {'int_counted_days': 'temp.changed_days'})})"
    tables = _tables(connection)
    for table in tables:
        if table not in REPLACED_BY_PERIOD:
            connection.execute(f"drop table new_publication.{_in_file(table)}")
    # After a checkpoint the space of the dropped tables is used again.
    connection.execute("checkpoint new_publication")
    with transaction(connection):
        for table in tables:
            if table not in REPLACED_BY_PERIOD:
                connection.execute(f"create table new_publication.{_in_file(table)} as from {_source(table)}")
    for table in tables:
        if table in REPLACED_BY_PERIOD:
            # DuckDB keeps in memory what a transaction deletes: one for all large tables needs more than its limit.
            with transaction(connection):
                condition = getattr(changed, REPLACED_BY_PERIOD[table])
                target = f"new_publication.{_in_file(table)}"
                source = spans if table == _TARGET_SPANS else _source(table)
                connection.execute(f"delete from {target} where {condition}")
                connection.execute(f"insert into {target} by name from {source} where {condition}")


def _are_equal(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> bool:
    """Whether two tables without duplicate rows hold the same rows, in any order."""
    fingerprints = [
        connection.execute(f"select count(*), bit_xor(hash(counted)) from {table} as counted").fetchall()
        for table in (one, other)
    ]
    return fingerprints[0] == fingerprints[1]
