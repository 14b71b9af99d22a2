"""A publication as Parquet files: `published/parquet/<publication id>/<mart>/<part>.parquet`.

A mart with periods has one file for each grain (month.parquet, …), every other one all.parquet; the files of a folder
have the same columns, so that tools read the folder as one table. Names and types are those of the published file.
A folder is written in full under another name before it is renamed, and the link `current` is switched in one step.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.publication_id import published_file
from amkpi.core.settings import Settings
from amkpi.core.storage.sql import identifier
from amkpi.publishing.reader import current_publication_file, open_publication

_PARTIAL = ".part-"
_LINK = "current"
_BATCH = 100_000
_GRAIN = re.compile(r"\w+")


@dataclass(frozen=True)
class ParquetReport:
    """The folder of a publication. is_new: False where it was there already."""

    folder: Path
    is_new: bool
    files: int = 0
    rows: int = 0


def write(home: Home, settings: Settings) -> ParquetReport:
    """Write the current publication as Parquet, unless it is there, and switch the link to it.

    Raises AmkpiError; the link then stays where it was.
    """
    file = current_publication_file(home)
    folder = home.parquet / file.stem.removeprefix("kpi_")
    try:
        home.parquet.mkdir(exist_ok=True)
        with _only_writer(home.parquet):
            for leftover in home.parquet.glob(f"{_PARTIAL}*"):
                shutil.rmtree(leftover)
            report = ParquetReport(folder, is_new=False) if folder.is_dir() else _write(file, folder, settings)
            _switch(home, folder)
    except OSError as error:
        raise AmkpiError(f"Parquet was not written in {home.parquet}: {error}") from error
    return report


def prune(home: Home) -> int:
    """Remove the folders whose publication is gone, and a link that leads nowhere; returns how many folders."""
    gone = [
        folder
        for folder in home.parquet.glob("*")
        if folder.is_dir() and not folder.is_symlink() and not published_file(home, folder.name).exists()
    ]
    try:
        for folder in gone:
            shutil.rmtree(folder)
        link = home.parquet / _LINK
        if link.is_symlink() and not link.exists():
            link.unlink()
    except OSError as error:
        raise AmkpiError(f"old files stay in {home.parquet}: {error}") from error
    return len(gone)


def switch_off(home: Home) -> None:
    """Remove the link: without it nobody reads an old publication as the current one. Raises AmkpiError."""
    try:
        (home.parquet / _LINK).unlink(missing_ok=True)
    except OSError as error:
        raise AmkpiError(f"{home.parquet / _LINK} cannot be removed: {error.strerror}") from error


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Wait for another process that writes here: the export of the agency, or a build of its group."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(file: Path, folder: Path, settings: Settings) -> ParquetReport:
    partial = folder.with_name(f"{_PARTIAL}{folder.name}")
    connection = open_publication(file, settings.timezone)
    files = rows = 0
    try:
        for mart, has_grains in connection.execute(
            "select table_name, bool_or(column_name = 'period_grain') from duckdb_columns()"
            " where database_name = current_database() and schema_name = 'marts' group by all order by all"
        ).fetchall():
            (partial / mart).mkdir(parents=True)
            for name, where in _parts(connection, mart, has_grains):
                rows += _write_file(connection, mart, where, partial / mart / f"{name}.parquet")
                files += 1
    finally:
        connection.close()
    partial.rename(folder)
    _sync(folder.parent)
    return ParquetReport(folder, True, files, rows)


def _parts(connection: duckdb.DuckDBPyConnection, mart: str, has_grains: bool) -> list[tuple[str, str]]:
    """The name and the condition of each file of a mart."""
    if has_grains:
        grains = connection.execute(f"select distinct period_grain from {identifier(mart)} order by all").fetchall()
        if grains and all(grain and _GRAIN.fullmatch(grain) for (grain,) in grains):
            return [(grain, f"where period_grain = '{grain}'") for (grain,) in grains]
    return [("all", "")]


def _write_file(connection: duckdb.DuckDBPyConnection, mart: str, where: str, path: Path) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    reader = connection.sql(f"select * from {identifier(mart)} {where}").to_arrow_reader(_BATCH)
    # Moments are points in time. Some tools cannot read the time zone of the agency that DuckDB adds.
    schema = pa.schema([pa.field(each.name, _type(each.type), each.nullable) for each in reader.schema])
    rows = 0
    with path.open("wb") as target:
        with parquet.ParquetWriter(target, schema, compression="snappy") as writer:
            for batch in reader:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema))
                rows += batch.num_rows
        target.flush()
        os.fsync(target.fileno())
    path.chmod(0o444)
    return rows


def _type(type_: Any) -> Any:
    import pyarrow as pa

    return pa.timestamp("us", "UTC") if pa.types.is_timestamp(type_) and type_.tz else type_


def _switch(home: Home, folder: Path) -> None:
    link = home.parquet / _LINK
    if link.is_symlink() and link.readlink() == Path(folder.name):
        return
    new = home.parquet / f".{_LINK}.new"
    new.unlink(missing_ok=True)
    new.symlink_to(folder.name)
    new.replace(link)
    _sync(home.parquet)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
