"""What the warehouse holds of closings: inputs of the build before it, the closed rows for the publication after it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import duckdb

from amkpi.core.home import Home
from amkpi.core.storage import closing_register
from amkpi.publishing.closing import files, sums
from amkpi.publishing.publication_file import CLOSABLE, DIMENSIONS


def fill_inputs(connection: duckdb.DuckDBPyConnection, home: Home, as_of: date) -> None:
    """Fill what the models read of closings, and the mart `closings`, for a build of that date.

    Raises ClosingsBroken where a closing file cannot be read.
    """
    register = closing_register.read(home)
    in_force = register.in_force(as_of)
    for name in ("periods", "previous_values", "private_lines", "closings"):
        connection.execute(f"delete from closing.{name}")
    _insert(
        connection,
        "periods",
        ("n", "period_grain", "period_start", "period_end", "next_start"),
        (
            (act.n, each.grain, each.start, each.end, each.end + timedelta(days=1))
            for act in in_force
            for each in act.periods
        ),
    )
    known = [act for act in register.acts if act.as_of <= as_of]
    _insert(
        connection,
        "closings",
        ("n", "period_grain", "period_start", "period_end", "closed_at", "closed_by", "note", "publication_id", "as_of",
         "sha256", "reopened_at", "reopened_by", "reopen_note"),
        (
            (act.n, each.grain, each.start, each.end, act.at, act.by, act.note or None, act.publication_id, act.as_of,
             register.file_hash(act), *((undone.at, undone.by, undone.note) if undone else (None, None, None)))
            for act in known
            for undone in [register.reopening(act.n)]
            for each in act.periods
        ),
    )  # fmt: skip
    for act in in_force:
        with files.attached(connection, act.file(home), "one_closing"):
            connection.execute(
                "insert into closing.previous_values by name"
                " select kpi, scope, coalesce(staff_id, '') as person_key, period_grain,"
                " (period_end + interval 1 day)::date as period_start, value from one_closing.kpi_values"
            )
    ever: set[tuple[str, date]] = set()
    for act in known:
        first = [each for each in act.periods if (each.grain, each.start) not in ever]
        ever |= {(each.grain, each.start) for each in first}
        with files.attached(connection, act.file(home), "one_closing"):
            for each in first:
                connection.execute(
                    "insert into closing.private_lines by name"
                    " select kpi, scope, coalesce(staff_id, '') as person_key, period_grain, period_start, target,"
                    " attainment, weight from one_closing.scorecard_lines"
                    " where kpi = ? and period_grain = ? and period_start = ?",
                    [sums.PRIVATE, each.grain, each.start],
                )


def fill_rows(connection: duckdb.DuckDBPyConnection, home: Home, as_of: date) -> None:
    """Fill the closed rows, shaped as the marts of the build, and the rows that dimensions lack."""
    in_force = closing_register.read(home).in_force(as_of)
    for mart in CLOSABLE:
        connection.execute(f"create or replace table closing.{mart} as from marts.{mart} limit 0")
    for dimension in DIMENSIONS:
        connection.execute(f"create or replace table closing.{dimension} as from marts.{dimension} limit 0")
    for act in in_force:
        with files.attached(connection, act.file(home), "one_closing"):
            for mart in CLOSABLE:
                insert_shared(connection, mart, f"one_closing.{mart}", "true as is_closed")
    named = {
        "dim_staff": " union ".join(f"select staff_id from closing.{mart}" for mart in CLOSABLE)
        + " union select unnest(team_path) from closing.kpi_evidence",
        "dim_client": "select client_id from closing.kpi_evidence",
    }
    for act in reversed(in_force):
        with files.attached(connection, act.file(home), "one_closing"):
            for dimension, ids in named.items():
                key = dimension.replace("dim_", "") + "_id"
                wanted = (
                    f"(from one_closing.{dimension} where {key} in ({ids})"
                    f" and {key} not in (select {key} from marts.{dimension})"
                    f" and {key} not in (select {key} from closing.{dimension}))"
                )
                insert_shared(connection, dimension, wanted)


def insert_shared(connection: duckdb.DuckDBPyConnection, table: str, rows: str, *more: str) -> None:
    """Insert the rows of another version's table: a column that it lacks is NULL, one that went is left out."""
    own = _names(connection, f"closing.{table}")
    shared = [name for name in _names(connection, rows) if name in own]
    connection.execute(f"insert into closing.{table} by name select {', '.join([*shared, *more])} from {rows} as rows")


def _names(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    return [column[0] for column in connection.execute(f"select * from {relation} limit 0").description or []]


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]
) -> None:
    found = list(rows)
    if found:
        places = ", ".join("?" * len(columns))
        connection.executemany(f"insert into closing.{table} ({', '.join(columns)}) values ({places})", found)
