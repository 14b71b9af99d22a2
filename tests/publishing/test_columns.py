"""Marts in columns: every row is found by its key, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import product

import duckdb
import pytest

from amkpi.publishing.columns import Columns, read_numbers, read_rows

MEMBERS = (("company", None), ("own", "Aéry"), ("own", "B'x"), ("team", "B'x"))
KPIS = ("client_revenue", "on_time_delivery_rate", "upsell_rate")
# A month, a quarter and a year begin on one day.
PERIODS = (*((grain, date(2026, 1, 1)) for grain in ("month", "quarter", "year")), ("month", date(2026, 2, 1)))
KEYS = tuple(each for number, each in enumerate(product(MEMBERS, KPIS, PERIODS)) if number % 5)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Marts in which a member has not every KPI of every period, and a value may be missing."""
    with duckdb.connect() as made:
        made.execute(
            "create table kpi_values (scope varchar, staff_id varchar, kpi varchar, period_grain varchar,"
            " period_start date, value double, note varchar)"
        )
        made.executemany(
            "insert into kpi_values values (?, ?, ?, ?, ?, ?, ?)",
            [(*m, k, *p, n / 3 if n % 4 else None, f"n{n}") for n, (m, k, p) in reversed(list(enumerate(KEYS)))],
        )
        made.execute("create table scorecards as select distinct * exclude (kpi, value, note), 1 as s from kpi_values")
        yield made


def read(connection: duckdb.DuckDBPyConnection, grain: str | None = None) -> Columns[tuple[object, ...]]:
    rows = read_rows(connection, read_numbers(connection, grain), "kpi_values", ("value", "note"), "kpi")
    return Columns(rows, lambda *row: row)


def test_every_row_is_found_by_its_member_kpi_and_period_and_no_other(connection: duckdb.DuckDBPyConnection) -> None:
    columns = read(connection)
    rows = {key: (number / 3 if number % 4 else None, f"n{number}") for number, key in enumerate(KEYS)}
    assert set(columns) == set(KEYS)
    asked = list(
        product((*MEMBERS, ("own", None), ("team", "Aéry")), (*KPIS, "no_kpi"), (*PERIODS, ("year", date.min)))
    )
    # Twice: what was asked for before is kept.
    for _ in range(2):
        assert {key: found for key in asked if (found := columns.get(*key))} == rows


def test_periods_of_other_grains_are_left_out(connection: duckdb.DuckDBPyConnection) -> None:
    assert set(read(connection, "month")) == {key for key in KEYS if key[2][0] == "month"}


def test_a_mart_without_rows_has_none(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("delete from kpi_values")
    assert read(connection).get(*KEYS[0]) is None


def test_a_mart_without_things_has_one_row_for_each_member_and_period(connection: duckdb.DuckDBPyConnection) -> None:
    columns = Columns(read_rows(connection, read_numbers(connection), "scorecards", ("s",)), int)
    assert set(columns) == {(member, "", period) for member, _, period in KEYS}
    assert columns.get(("company", None), "", PERIODS[0]) == 1


def test_some_columns_of_a_row_are_an_object_of_their_own(connection: duckdb.DuckDBPyConnection) -> None:
    columns = read(connection)
    notes = Columns(columns.rows, str, slice(1, None))
    assert [notes.get(*key) for key in KEYS] == [f"n{number}" for number, _ in enumerate(KEYS)]
