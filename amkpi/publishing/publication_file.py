"""The file of a publication: what of the warehouse it holds, and how it comes there.

It is written whole, or made of the file of the publication on which the build rests: what the build kept lies there
already, and only the rows of the periods that it made anew are exchanged. Either way it holds the same rows; the second
time that is looked at.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

# Readers with DuckDB 1.4 and later open it; the format of 2.0 would shut them out.
STORAGE_VERSION = "v1.4.0"
# The marts that stay views in the published file, each after those it reads: what they show stands there once.
PUBLISHED_VIEWS = ("kpi_values", "kpi_evidence", "scorecard_lines", "supporting_measures")
# What those views read, and what `amkpi explain` does beside them; no part of the public marts.
BEHIND_MARTS = (
    "int_kpi_catalogue",
    "int_measure_catalogue",
    "int_scope_people",
    "int_kpi_values",
    "int_scorecard_lines",
    "int_measure_sums",
    "int_measures_of_the_day",
    "int_kpi_records",
    "int_client_records",
    "int_period_months",
    "int_management_chain",
    "int_left_out",
)
# Which rows of the large tables the build may have changed; of the others, all. `changed` holds its periods.
_BY_ID = "period_id in (select period_id from changed)"
_BY_START = "(period_grain, period_start) in (select period_grain, period_start from changed)"
EXCHANGED = {
    "intermediate.int_scope_people": _BY_ID,
    "intermediate.int_kpi_values": _BY_ID,
    "intermediate.int_scorecard_lines": _BY_ID,
    "intermediate.int_measure_sums": _BY_ID,
    "intermediate.int_kpi_records": "month_start in (select month_start from intermediate.int_changed_months)",
    "intermediate.int_client_records": _BY_START,
    "marts.scorecards": _BY_START,
}


def write(connection: duckdb.DuckDBPyConnection, target: Path, basis: Path | None) -> None:
    """Write what is published of the warehouse to a new file.

    basis: the file of the publication on which the build rests; None where the build was made from nothing. Raises
    OSError and duckdb.Error where the file cannot be written.
    """
    if basis is None or not _write_from(connection, target, basis):
        target.unlink(missing_ok=True)
        _write_whole(connection, target)


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, target: Path) -> Iterator[None]:
    path = str(target).replace("'", "''")
    connection.execute(f"attach '{path}' as going_out (storage_version '{STORAGE_VERSION}')")
    try:
        yield
        connection.execute("checkpoint going_out")
    finally:
        connection.execute("detach going_out")


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """What stands as a table in a publication, with its schema."""
    marts = connection.execute(
        "select table_name from information_schema.tables where table_catalog = current_database()"
        " and table_schema = 'marts' order by table_name"
    ).fetchall()
    return [
        *(f"intermediate.{table}" for table in BEHIND_MARTS),
        *(f"marts.{table}" for (table,) in marts if table not in PUBLISHED_VIEWS),
    ]


def _write_whole(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    with _attached(connection, target):
        connection.execute("create schema going_out.marts")
        connection.execute("create schema going_out.intermediate")
        for table in _tables(connection):
            connection.execute(f"create table going_out.{table} as from {table}")
        words = dict(
            connection.execute("select view_name, sql from duckdb_views() where schema_name = 'marts'").fetchall()
        )
        warehouse = connection.execute("select current_database()").fetchall()[0][0]
        connection.execute("use going_out")
        for view in PUBLISHED_VIEWS:
            # The view's own words, without the name of the file that they were first said in.
            connection.execute(f"create view marts.{view} as {words[view].split(' AS ', 1)[1]}")
        connection.execute(f"use {warehouse}")


def _write_from(connection: duckdb.DuckDBPyConnection, target: Path, basis: Path) -> bool:
    """Make the file of the one before it; False where that does not give what the warehouse holds.

    The views stay: a build rests only on one by the same program.
    """
    shutil.copyfile(basis, target)
    try:
        with _attached(connection, target):
            _exchange(connection)
            return all(_are_alike(connection, table, f"going_out.{table}") for table in EXCHANGED)
    except duckdb.Error:
        # A basis that cannot be read must not keep from readers what can be written without it; of a full disk or a
        # broken warehouse, writing it whole says so.
        return False


def _exchange(connection: duckdb.DuckDBPyConnection) -> None:
    # A period that is no more stands in the months of the old file alone.
    connection.execute(
        "create or replace temp table changed as select distinct period_id, period_grain, period_start from"
        " (from going_out.intermediate.int_period_months union all by name from intermediate.int_period_months)"
        " where period_id in (select period_id from intermediate.int_changed_periods)"
    )
    tables = _tables(connection)
    for table in tables:
        if table not in EXCHANGED:
            connection.execute(f"drop table going_out.{table}")
    # What is written next takes the room of what went.
    connection.execute("checkpoint going_out")
    connection.begin()
    try:
        for table in tables:
            if table in EXCHANGED:
                connection.execute(f"delete from going_out.{table} where {EXCHANGED[table]}")
                connection.execute(f"insert into going_out.{table} from {table} where {EXCHANGED[table]}")
            else:
                connection.execute(f"create table going_out.{table} as from {table}")
        connection.commit()
    except duckdb.Error:
        connection.rollback()
        raise
    connection.execute("drop table changed")


def _are_alike(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> bool:
    """Whether two tables of which no two rows are equal hold the same ones, in whatever order."""
    fingerprints = [
        connection.execute(f"select count(*), bit_xor(hash(found)) from {table} as found").fetchall()
        for table in (one, other)
    ]
    return fingerprints[0] == fingerprints[1]
