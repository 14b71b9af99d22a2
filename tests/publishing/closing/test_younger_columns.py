"""Rows of a closing that an earlier version made: columns that are younger are NULL in them."""

from __future__ import annotations

import duckdb

from amkpi.publishing.closing.warehouse import insert_shared


def test_a_column_that_is_younger_than_a_closing_is_null_in_its_rows_and_one_that_went_is_left_out() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema closing")
        connection.execute(
            "create table closing.kpi_evidence (kpi varchar, state varchar, team_path varchar[], numerator double,"
            " is_closed boolean)"
        )
        connection.execute("create table earlier as select 'client_revenue' as kpi, 1.5 as numerator, 'x' as gone")
        insert_shared(connection, "kpi_evidence", "earlier", "true as is_closed")
        rows = connection.execute("from closing.kpi_evidence").fetchall()
    assert rows == [("client_revenue", None, None, 1.5, True)]
