"""A closed period of an agency counts as the agency has closed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.group.conftest import Group

pytestmark = pytest.mark.slow
KPI, START = "on_time_delivery_rate", "2026-07-01"
OF_QUARTER = f"period_grain = 'quarter' and period_start = '{START}'"


def rewrite(file: Path, sql: str) -> None:
    """Replace the rows of a Parquet file by those of a query on `rows`."""
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as from '{file}'")
        file.unlink()
        connection.execute(f"copy ({sql}) to '{file}' (format parquet)")


def test_closed_values_and_records_are_counted_as_they_are_published(
    group: Group, make_group: Callable[[], Group]
) -> None:
    copy = make_group()
    for link in (copy.root / "group" / "published").glob("*.duckdb"):
        link.unlink()
    (folder,) = (path for path in (copy.root / "hanoi" / "published" / "parquet").iterdir() if not path.is_symlink())
    # As closed, one project more was due and on time than the other grains have today.
    more = f"case when kpi = '{KPI}' and {OF_QUARTER} and scope = 'company' then 1 else 0 end"
    rewrite(
        folder / "kpi_values" / "quarter.parquet",
        f"select * replace ({OF_QUARTER} as is_closed, numerator + {more} as numerator,"
        f" denominator + {more} as denominator) from rows",
    )
    gone = "'GONE' as source_id, 1 as numerator, 1 as denominator, true as is_closed"
    rewrite(
        folder / "kpi_evidence" / "quarter.parquet",
        f"select * replace ({OF_QUARTER} as is_closed) from rows union all by name"
        f" (select * replace ({gone}) from rows where kpi = '{KPI}' and {OF_QUARTER} limit 1)",
    )
    copy.build()
    asked = f"from group_kpi_values where kpi = '{KPI}' and {OF_QUARTER}"
    before = {(row["level"], row["code"]): row for row in group.rows(asked)}
    after = {(row["level"], row["code"]): row for row in copy.rows(asked)}
    for place in (("agency", "hanoi"), ("region", "North"), ("group", None)):
        assert after[place]["numerator"] == before[place]["numerator"] + 1
        assert after[place]["denominator"] == before[place]["denominator"] + 1
    assert after["agency", "boston"] == before["agency", "boston"]
    # The group has closed what all its agencies have closed.
    assert {place: row["is_closed"] for place, row in after.items()} == {
        ("agency", "hanoi"): True,
        ("agency", "boston"): False,
        ("region", "North"): True,
        ("region", "South"): False,
        ("group", None): False,
    }
    year = f"from group_kpi_values where kpi = '{KPI}' and period_grain = 'year' and level = 'group' order by all"
    assert copy.rows(year) == group.rows(year)
    assert [row["agency"] for row in copy.rows("from group_kpi_evidence where source_id = 'GONE'")] == ["hanoi"]
