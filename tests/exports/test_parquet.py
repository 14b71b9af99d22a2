"""The Parquet files of a publication: the same rows and types as its file, whole or not at all, and as long as it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.language.mart_texts import marts
from amkpi.core.settings import load_settings
from amkpi.exports import parquet
from tests.exports import random_marts

pytestmark = pytest.mark.slow

ONE, TWO = "00000000000000aa", "00000000000000bb"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "home")
    random_marts.publish(home, 1, random_marts.named(20), ONE)
    return home


def write(home: Home) -> parquet.ParquetReport:
    return parquet.write(home, load_settings(home, {}))


def test_every_mart_has_the_rows_names_and_types_of_the_published_file(home: Home) -> None:
    report = write(home)
    with duckdb.connect(str(home.current.resolve()), read_only=True) as connection:
        query = "select table_name from duckdb_tables() where schema_name = 'marts'"
        tables = [name for (name,) in connection.execute(query).fetchall()]
        assert {path.name for path in report.folder.iterdir()} == set(tables) == marts().keys()
        for name in tables:
            files = f"read_parquet('{report.folder}/{name}/*.parquet')"
            types = [connection.execute(f"describe from {each}").fetchall() for each in (files, f"marts.{name}")]
            assert [row[:2] for row in types[0]] == [row[:2] for row in types[1]], name
            different = connection.execute(
                f"select count(*) from ((from {files} except all from marts.{name})"
                f" union all (from marts.{name} except all from {files}))"
            ).fetchall()
            assert different == [(0,)], name
        every = f"read_parquet('{report.folder}/*/*.parquet', union_by_name = true)"
        ((rows,),) = connection.execute(f"select count(*) from {every}").fetchall()
    assert report.rows == rows > 900


def test_two_processes_do_not_write_at_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export of an agency, and the build of its group that needs its files: each removes what is half written."""
    whole = parquet._write

    def write_while_another_begins(*given: Any) -> parquet.ParquetReport:
        other = os.open(home.parquet, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
        return whole(*given)

    monkeypatch.setattr(parquet, "_write", write_while_another_begins)
    assert write(home).is_new
    assert not write(home).is_new


def test_a_mart_with_periods_has_a_file_for_each_grain_with_all_columns(home: Home) -> None:
    folder = write(home).folder
    assert sorted(path.name for path in (folder / "kpi_values").iterdir()) == ["month.parquet", "quarter.parquet"]
    assert [path.name for path in (folder / "dim_client").iterdir()] == ["all.parquet"]
    table = pq.read_table(folder / "kpi_values" / "month.parquet")
    assert table.column_names == [column.name for column in marts()["kpi_values"].columns]
    assert set(table["period_grain"].to_pylist()) == {"month"}


def test_the_types_are_those_that_spark_and_power_query_read(home: Home) -> None:
    from pyarrow import dataset  # it imports pandas, which takes a second

    folder = write(home).folder
    moment = dataset.dataset(folder / "closings", format="parquet").schema.field("closed_at").type
    assert moment == pa.timestamp("us", "UTC")
    for path in folder.glob("*/*.parquet"):
        file = pq.ParquetFile(path)
        for number in range(file.metadata.num_columns):
            column = file.metadata.schema.column(number)
            assert column.physical_type != "INT96", "Spark 4 writes it no more"
            if column.converted_type == "TIMESTAMP_MICROS":
                assert '"isAdjustedToUTC":true' in str(column.logical_type.to_json()).replace(" ", "")
        if file.metadata.num_row_groups:
            assert {file.metadata.row_group(0).column(0).compression} == {"SNAPPY"}


def test_pandas_reads_a_folder_as_one_table(home: Home) -> None:
    pandas = pytest.importorskip("pandas")
    folder = write(home).folder
    frame = pandas.read_parquet(folder / "kpi_values")
    with duckdb.connect(str(home.current.resolve()), read_only=True) as connection:
        assert [(len(frame),)] == connection.execute("select count(*) from marts.kpi_values").fetchall()


def test_an_empty_mart_has_its_columns(home: Home) -> None:
    with duckdb.connect(str(home.current.resolve())) as connection:
        connection.execute("delete from marts.kpi_values")
    file = write(home).folder / "kpi_values" / "all.parquet"
    assert pq.read_schema(file).names == [column.name for column in marts()["kpi_values"].columns]


def test_a_publication_is_written_once_and_the_link_follows_it(home: Home) -> None:
    first = write(home)
    assert (first.is_new, (home.parquet / "current").readlink()) == (True, Path(ONE))
    assert not write(home).is_new
    random_marts.publish(home, 2, random_marts.named(20), TWO)
    assert write(home).is_new
    assert (home.parquet / "current").readlink() == Path(TWO)
    assert {path.stat().st_mode & 0o777 for path in home.parquet.glob("*/*/*.parquet")} == {0o444}


def test_a_write_that_fails_leaves_the_last_folder_and_no_half_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home)
    random_marts.publish(home, 2, random_marts.named(20), TWO)
    sync, count = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal count
        count += 1
        if count == 9:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AmkpiError, match="No space left"):
        write(home)
    assert (home.parquet / "current").readlink() == Path(ONE)
    assert not (home.parquet / TWO).exists()
    monkeypatch.undo()
    write(home)
    assert sorted(path.name for path in home.parquet.iterdir()) == [ONE, TWO, "current"]


def test_a_folder_goes_with_its_publication_and_a_link_never_leads_nowhere(home: Home) -> None:
    write(home)
    random_marts.publish(home, 2, random_marts.named(20), TWO)
    write(home)
    (home.published / f"kpi_{ONE}.duckdb").unlink()
    assert parquet.prune(home) == 1
    assert sorted(path.name for path in home.parquet.iterdir()) == [TWO, "current"]
    (home.published / f"kpi_{TWO}.duckdb").unlink()
    assert parquet.prune(home) == 1
    assert list(home.parquet.iterdir()) == []
