"""The group's models give on Spark what they give on DuckDB. Run by `make test-spark`: it needs pyspark and Java 17."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.group.conftest import Group
from tests.transform.spark.parity import compare

pytestmark = pytest.mark.slow


def test_spark_builds_what_duckdb_builds(
    group: Group, make_group: Callable[[], Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMKPI_ENGINE", "spark")
    spark = make_group()
    report = spark.build()
    assert report.is_new
    one, other = (each.root / "group" / "warehouse" / "warehouse.duckdb" for each in (group, spark))
    found = compare(one, other, ("marts", "intermediate"))
    print(f"group: {found.rows:,} rows, {found.values:,} values")
    # The publication is another one: the engine is a part of its id.
    assert [each for each in found.differences if "group_publication" not in each] == []
    assert found.rows > 1000
    assert not (spark.root / "group" / "lake").exists()
