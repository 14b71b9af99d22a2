"""The comparison finds every difference between engines that comes without an error, planted one by one."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.transform.spark.parity import compare

ROWS = """
    create schema marts;
    create table marts.kpi_values (kpi varchar, period_start date, value double, sample_size bigint, wilson_low double);
    insert into marts.kpi_values values
        ('client_revenue', '2026-01-01', 1234567890.123456, 12, null),
        ('on_time_delivery_rate', '2026-01-01', 0.6666666666666666, 3, 0.2),
        ('on_time_delivery_rate', '2026-02-01', null, 0, null),
        ('client_satisfaction', '2026-01-01', 33.333333333333, 3, 0.1);
    create table marts.scorecards (staff_id varchar, weighted_score double, rating varchar, kpis_scored bigint);
    insert into marts.scorecards values ('A', 95, 'A', 8), ('B', 94.99, 'B', 7), (null, null, null, 0);
    create table marts.scorecards_sent (staff_id varchar, "at" timestamptz);
    insert into marts.scorecards_sent values ('A', '2026-10-01 07:00:00+00');
    create table marts.project_overview (project_id varchar, due_date date, cost decimal(38, 12), over_budget double);
    insert into marts.project_overview values
        ('P1', '2026-03-01', 0.123456789012, null), ('P2', '2026-03-01', 3, 0.25);
    create table marts.scorecard_lines (value double, previous_value double, change double);
    insert into marts.scorecard_lines values (70, 70, 0), (80, 70, 10);
    create view marts.kpi_evidence as from marts.kpi_values;
"""
# What is planted, and the column that must be named.
PLANTED = {
    "places of a decimal are cut": (
        "update marts.kpi_values set value = 0.66666667 where value between 0 and 1",
        "marts.kpi_values.value",
    ),
    "a decimal is cut to eight places": (
        "update marts.project_overview set cost = round(cost, 8) where project_id = 'P1'",
        "marts.project_overview.cost",
    ),
    "a quoted name is a text": (
        "alter table marts.scorecards_sent alter \"at\" type varchar using 'at'",
        "marts.scorecards_sent",
    ),
    "an overflow is NULL": (
        "update marts.kpi_values set value = null where kpi = 'client_revenue'",
        "marts.kpi_values.value",
    ),
    "NULL is a number": (
        "update marts.kpi_values set value = 0 where value is null",
        "marts.kpi_values.value",
    ),
    "a sum of whole numbers wraps": (
        "update marts.kpi_values set sample_size = sample_size - 4294967296 where sample_size = 12",
        "marts.kpi_values.sample_size",
    ),
    "greatest of NULL is NULL": (
        "update marts.project_overview set over_budget = null where project_id = 'P2'",
        "marts.project_overview.over_budget",
    ),
    "a day is another": (
        "update marts.project_overview set due_date = '1970-01-01' where project_id = 'P1'",
        "marts.project_overview.due_date",
    ),
    "a join loses rows": ("delete from marts.scorecards where staff_id = 'B'", "marts.scorecards: 3 rows, not 2"),
    "half is rounded up": ("update marts.scorecards set rating = 'A' where staff_id = 'B'", "marts.scorecards.rating"),
    "a change is another": (
        "update marts.scorecard_lines set change = 1e-6 where change = 0",
        "marts.scorecard_lines.change",
    ),
    "a type is another": (
        "alter table marts.scorecards alter kpis_scored type integer",
        "marts.scorecards: ",
    ),
    "a table is missing": ("drop table marts.scorecards_sent", "marts.scorecards_sent: "),
    "a relation is new": ("create table marts.other as select 1 as n", "marts.other: None"),
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two files with the same marts."""
    one, other = tmp_path / "one.duckdb", tmp_path / "another '.duckdb"
    with duckdb.connect(str(one)) as connection:
        connection.execute(ROWS)
    shutil.copy(one, other)
    return one, other


def test_equal_files_do_not_differ_and_are_compared_whole(files: tuple[Path, Path]) -> None:
    found = compare(*files)
    assert found.differences == ()
    # 4 rows × 5 columns, twice, 3 × 4, 1 × 2, 2 × 4 and 2 × 3.
    assert (found.rows, found.values) == (16, 68)


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_difference_is_found(files: tuple[Path, Path], planted: str) -> None:
    change, named = PLANTED[planted]
    with duckdb.connect(str(files[1])) as connection:
        connection.execute(change)
    found = compare(*files).differences
    assert any(line.startswith(named) for line in found), found


def test_the_last_bit_of_a_number_is_no_difference(files: tuple[Path, Path]) -> None:
    with duckdb.connect(str(files[1])) as connection:
        connection.execute("update marts.kpi_values set value = value * (1 + 2e-10)")
        connection.execute("update marts.project_overview set cost = cost + 0.000000000001 where project_id = 'P1'")
        connection.execute("update marts.scorecard_lines set change = 1.4e-14 where change = 0")
    assert compare(*files).differences == ()


def test_the_order_of_rows_is_no_difference(files: tuple[Path, Path]) -> None:
    with duckdb.connect(str(files[1])) as connection:
        connection.execute("create or replace table marts.scorecards as from marts.scorecards order by kpis_scored")
    assert compare(*files).differences == ()
