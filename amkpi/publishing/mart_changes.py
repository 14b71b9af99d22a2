"""Which rows of the marts differ between the base publication and a new build, told from what the marts are made of.

The marts that unite computed and closed rows are the largest tables of a publication: a record counts in fifteen
periods, and has a row in each of them. To compute them and to compare all their rows takes longer than to write them.
What they are made of has a tenth of the rows. A relation that their views read is replaced by period
(`publication_file.REPLACED_BY_PERIOD`), or it is in `COMPARED`.

Periods and measures stand as literals in the conditions: DuckDB then reads only these periods of what a view reads. For
a condition with a subquery it computes the whole view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from amkpi.core.storage.internal_schemas import PUBLISHED
from amkpi.core.storage.sql import literal

_WHOLE = ("int_kpi_catalogue", "int_measure_catalogue")
# What the views of the marts read besides the tables that are replaced by period, and what a difference there replaces.
COMPARED = {
    **dict.fromkeys(_WHOLE, "everything"),
    "int_period_months": "the period",
    "periods": "the closed period and the one after it",
    "previous_values": "the closed period and the one after it",
    "int_daily_measures": "the measure in the period",
    "int_record_details": "the evidence of the record",
    "int_team_paths": "the evidence of the person's records on these days",
}


@dataclass(frozen=True)
class MartChanges:
    """Conditions on the rows of the marts that differ.

    periods: for every mart. measures: for `supporting_measures`, besides. The records of which other rows of
    `kpi_evidence` differ are in the temporary table `changed_records` (source_extract, source_id).
    """

    periods: str
    measures: str


def in_list(columns: str, values: Iterable[tuple[object, ...]]) -> str:
    """SQL for `columns in (values)` with texts, dates and whole numbers; false for no values."""
    rows = ", ".join(f"({', '.join(map(_value, row))})" for row in values)
    return f"{columns} in ({rows})" if rows else "false"


def find(connection: duckdb.DuckDBPyConnection, base: str, changed: list[tuple[str, date]]) -> MartChanges | None:
    """What differs between the file of the base publication and the warehouse; None if that is everything.

    base: the name of the attached file, in which nothing is replaced yet. changed: grain and start of the periods that
    the build computed again. Raises duckdb.Error where the file lacks a table.
    """
    internal, closing = (f"{base}.{PUBLISHED[schema]}" for schema in ("intermediate", "closing"))
    if any(_rows(connection, _difference(f"from {internal}.{name}", f"from intermediate.{name}")) for name in _WHOLE):
        return None
    periods = set(changed)
    of_closings = (
        "select n, period_grain, period_start, next_start, sha256 from {}.periods join {}.closings"
        " using (n, period_grain, period_start)"
    )
    difference = _difference(of_closings.format(closing, f"{base}.marts"), of_closings.format("closing", "marts"))
    for _, grain, start, next_start, _ in _rows(connection, difference):
        periods |= {(grain, start), (grain, next_start)}
    months = "select distinct period_grain, period_start, month_start from {}.int_period_months"
    difference = _difference(months.format(internal), months.format("intermediate"))
    periods |= {(grain, start) for grain, start, _ in _rows(connection, difference)}
    difference = _difference(f"from {internal}.int_daily_measures", "from intermediate.int_daily_measures")
    measures = _rows(
        connection,
        f"select distinct measure, period_grain, period_start from ({difference}) as differing"
        " join intermediate.int_measure_catalogue using (measure_number)"
        # Of a period that is no longer there, every row is replaced.
        " join intermediate.int_period_months using (period_id) order by all",
    )
    _find_records(connection, internal)
    return MartChanges(
        in_list("(period_grain, period_start)", sorted(periods)),
        in_list("(measure, period_grain, period_start)", measures),
    )


def _find_records(connection: duckdb.DuckDBPyConnection, internal: str) -> None:
    """Fill the temporary table `changed_records`."""
    details = "select source_extract, source_id, hash(details) as hash from {}.int_record_details as details"
    difference = _difference(details.format(internal), details.format("intermediate"))
    connection.execute(
        f"create or replace temp table changed_records as select distinct source_extract, source_id from ({difference})"
    )
    difference = _difference(f"from {internal}.int_team_paths", "from intermediate.int_team_paths")
    connection.execute(
        "create or replace temp table changed_paths as select distinct staff_id, valid_from, valid_to"
        f" from ({difference})"
    )
    for records in ("int_kpi_records", "int_client_records"):
        connection.execute(
            "insert into changed_records (source_extract, source_id) select distinct source_extract, source_id"
            f" from intermediate.{records} as records semi join changed_paths as paths"
            " on records.staff_id = paths.staff_id and records.event_date between paths.valid_from and paths.valid_to"
        )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return connection.execute(query).fetchall()


def _difference(one: str, other: str) -> str:
    """SQL for the rows that one of two queries has more often than the other, each once."""
    return (
        f"select * exclude (side) from (select *, 1 as side from ({one}) union all by name"
        f" select *, -1 as side from ({other})) group by all having sum(side) <> 0"
    )


def _value(value: object) -> str:
    return f"date '{value}'" if isinstance(value, date) else literal(value) if isinstance(value, str) else str(value)
