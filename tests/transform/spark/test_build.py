"""The way back from the lake: what another engine built is in the warehouse as if DuckDB had built it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.storage.sql import literal
from amkpi.transform.dbt_runner import one_line
from amkpi.transform.spark.build import fetch
from amkpi.transform.spark.lake import Lake
from tests.changed_settings import changed
from tests.conftest import Agency
from tests.paths import EXAMPLE
from tests.transform.spark.parity import compare

# As Spark writes them.
OTHER_TYPES = {"HUGEINT": "bigint", "UBIGINT": "bigint", "INTEGER": "integer"}


def write_as_spark(agency: Agency, lake: Lake) -> None:
    """The tables of a build as files of the lake, in another order and with the types of Spark."""
    with agency.warehouse() as connection:
        # A hash of Spark is never above this.
        connection.execute("update intermediate.int_period_fingerprints set hash_xor = hash_xor >> 1, hash_sum = 0")
        columns = connection.execute(
            "select schema_name, table_name, list(column_name order by column_index),"
            " list(data_type order by column_index) from duckdb_columns() semi join duckdb_tables()"
            " using (schema_name, table_name) where schema_name in ('marts', 'intermediate', 'kpis', 'staging')"
            " group by all"
        ).fetchall()
        assert len(columns) > 40
        for schema, table, names, types in columns:
            folder = lake.built / schema / table
            folder.mkdir(parents=True)
            selected = ", ".join(
                f'"{name}"::{OTHER_TYPES.get(kind, kind)} as "{name}"' for name, kind in zip(names, types, strict=True)
            )
            file = literal(str(folder / "part-00000.snappy.parquet"))
            rows = f"select {selected} from {schema}.{table} order by hash({table})"
            connection.execute(f"copy ({rows}) to {file} (format parquet)")


# Two builds: 8 s of CPU.
@pytest.mark.slow
def test_what_is_fetched_is_as_if_duckdb_had_built_it(agency: Agency, tmp_path: Path) -> None:
    agency.load({f"{path.stem}/{path.name}": path.read_bytes() for path in (EXAMPLE / "landing").glob("*.csv")})
    agency.build()
    # A folder may have any name.
    folder = tmp_path / "của 'Spark' 100%"
    folder.mkdir()
    lake = Lake(agency.home, changed(agency.run.settings, lake=str(folder)))
    lake.make()
    write_as_spark(agency, lake)
    other = agency.copy(tmp_path / "other")
    with other.warehouse() as connection:
        for schema in ("marts", "intermediate", "kpis", "staging"):
            connection.execute(f"drop schema {schema} cascade")
    fetch(lake, other.home, other.run.settings, other.run.as_of)
    found = compare(agency.home.warehouse, other.home.warehouse)
    assert found.differences == ()
    assert found.rows > 1000
    in_order = other.rows(
        "select list(period_id) = list(period_id order by period_id) from intermediate.int_kpi_values"
    )
    assert in_order == [(True,)]

    shutil.rmtree(lake.built / "intermediate" / "int_kpi_values")
    with pytest.raises(AmkpiError, match=r"the model int_kpi_values could not be built: .*No files found"):
        fetch(lake, other.home, other.run.settings, other.run.as_of)


def test_an_error_of_spark_is_told_without_its_stack() -> None:
    error = (
        "Runtime Error\n  [CAST_INVALID_INPUT] not a number\n\nJVM stacktrace:\norg.apache.spark.SparkException\n\tat x"
    )
    assert one_line(error) == "Runtime Error [CAST_INVALID_INPUT] not a number"
    assert one_line("Job aborted: java.lang.ClassCastException\n\tat java.base/x\n\tat y") == (
        "Job aborted: java.lang.ClassCastException"
    )
