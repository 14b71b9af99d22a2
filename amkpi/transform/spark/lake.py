"""The lake: the Parquet files by which DuckDB and Spark give each other tables.

Below the folder of the agency: rows/<schema>/<table>/ has what DuckDB gives to the models, built/<schema>/<model>/ what
Spark makes of it. A build writes both anew, and removes them at its end. Where that folder is in object storage, files
pass through HOME/lake.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb
import yaml

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.paths import DBT_PROJECT
from amkpi.core.settings import Settings
from amkpi.core.storage import permissions
from amkpi.core.storage.sql import literal
from amkpi.transform.spark.object_storage import ObjectStorage, is_object_storage, refusal_of_spark

# Parquet has no type for these.
_AS = {"HUGEINT": "decimal(38, 0)", "UBIGINT": "decimal(20, 0)"}


class Lake:
    """The lake of one agency. prefix: before its databases in Spark, which others may use too.

    project: the folder of the dbt project whose tables it holds.
    """

    def __init__(self, home: Home, settings: Settings, project: Path = DBT_PROJECT) -> None:
        self._project = project
        agency = f"amkpi_{hashlib.sha256(str(home.root.resolve()).encode()).hexdigest()[:8]}"
        self._given = settings.build.lake
        self._bucket = ObjectStorage(self._given, agency) if is_object_storage(self._given) else None
        self._url = urlsplit("" if self._bucket else self._given)
        # A folder that is given may be the lake of other agencies too.
        given_folder = self._given and not self._bucket
        self._shared = (home.root / _path(self._given).expanduser()).resolve() if given_folder else None
        self.root = self._shared / agency if self._shared else home.lake.resolve()
        self.prefix = f"{agency}_"

    @property
    def is_bucket(self) -> bool:
        """Whether the lake is in object storage."""
        return self._bucket is not None

    @property
    def built(self) -> Path:
        """The tables that Spark has built, on this machine: <schema>/<model>/*.parquet."""
        return self.root / "built"

    def check(self) -> None:
        """Raise AmkpiError if the address of a bucket is not written as one, or if the package for it is missing."""
        if self._bucket:
            self._bucket.check()

    def make(self) -> None:
        """Make the empty folder of the agency. Raises AmkpiError where it cannot; a lake outside of HOME must exist."""
        self.check()
        if self._url.netloc and (self._url.scheme, self._url.netloc) != ("file", "localhost"):
            # Only the scheme is told: an address may hold a key.
            raise AmkpiError(
                f"setting lake: {self._url.scheme}:// is not supported; give a folder, or its file:/// address,"
                " that Spark sees under the same path, or s3://bucket/folder"
            )
        if self._shared and not self._shared.is_dir():
            raise AmkpiError(f"setting lake: no folder {self._shared}; create it, or give the right one")
        self.remove()
        try:
            if self._shared is None:
                permissions.make_folder(self.root, permissions.PRIVATE)
            self.built.mkdir(parents=True)
        except OSError as error:
            raise AmkpiError(f"cannot write into the lake {self.root}: {error.strerror}") from error

    def remove(self) -> None:
        """Remove what the last build left. Raises AmkpiError if object storage does not answer or refuses."""
        shutil.rmtree(self.root, ignore_errors=True)
        if self._bucket:
            self._bucket.remove()

    def write_rows(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write every table that a model reads and dbt does not make, from the warehouse."""
        for schema, table in source_tables(self._project):
            file = self.root / "rows" / schema / table / "rows.parquet"
            file.parent.mkdir(parents=True)
            types = connection.execute(
                "select column_name, data_type from duckdb_columns() where database_name = current_database()"
                " and schema_name = ? and table_name = ?",
                [schema, table],
            ).fetchall()
            casts = ", ".join(f'"{name}"::{_AS[kind]} as "{name}"' for name, kind in types if kind in _AS)
            rows = f"select * {f'replace ({casts})' if casts else ''} from {schema}.{table}"
            connection.execute(f"copy ({rows}) to {literal(str(file))} (format parquet)")
            if self._bucket:
                self._bucket.put(file, f"rows/{schema}/{table}/{file.name}")
                file.unlink()

    def bring_back(self) -> None:
        """Copy what Spark has built to this machine, if it is elsewhere. Raises AmkpiError."""
        if self._bucket:
            self._bucket.get("built", self.built)

    def show_to(self, session: Any) -> None:
        """Make the databases of the agency in Spark: those of the rows with their tables, those of the models empty.

        Raises AmkpiError where Spark cannot use the object storage.
        """
        try:
            self._show_to(session)
        except Exception as error:  # pyspark and gRPC have no common class of errors
            if self._bucket is None:
                raise
            raise AmkpiError(refusal_of_spark(self._bucket.for_spark.partition(":")[0], error)) from error

    def _show_to(self, session: Any) -> None:
        sources = list(source_tables(self._project))
        for schema in dict.fromkeys([schema for schema, _ in sources] + model_schemas(self._project)):
            session.sql(f"drop database if exists {self.prefix}{schema} cascade")
            session.sql(f"create database {self.prefix}{schema} location {self._place('built', schema)}")
        for schema, table in sources:
            place = self._place("rows", schema, table)
            session.sql(f"create table {self.prefix}{schema}.{table} using parquet location {place}")

    def hide_from(self, session: Any) -> None:
        """Drop the databases of the agency in Spark; they may be on a server that others use."""
        sources = source_tables(self._project)
        for schema in dict.fromkeys([schema for schema, _ in sources] + model_schemas(self._project)):
            session.sql(f"drop database if exists {self.prefix}{schema} cascade")

    def _place(self, *folders: str) -> str:
        """A folder of the lake as a text of Spark's SQL. Spark takes an address as it is written: %20 is no space."""
        root = self._bucket.for_spark if self._bucket else f"file://{self.root}"
        escaped = "/".join([root, *folders]).replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"


def _path(given: str) -> Path:
    """The folder that the setting names, by its path or by its file URL."""
    url = urlsplit(given)
    return Path(unquote(url.path) if url.scheme == "file" else given)


def source_tables(project: Path = DBT_PROJECT) -> Iterator[tuple[str, str]]:
    """(schema, table) of every source of the models, as their ymls list them."""
    for path in sorted((project / "models").rglob("sources*.yml")):
        for source in yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]:
            yield from ((source["name"], table["name"]) for table in source["tables"])


def model_schemas(project: Path = DBT_PROJECT) -> list[str]:
    """The schemas of the models, as dbt_project.yml names them."""

    def found(config: dict[str, Any]) -> Iterator[str]:
        for name, value in config.items():
            if name == "+schema":
                yield value
            elif isinstance(value, dict):
                yield from found(value)

    content = yaml.safe_load((project / "dbt_project.yml").read_text(encoding="utf-8"))
    return list(dict.fromkeys(found(content["models"])))
