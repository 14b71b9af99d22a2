"""The lake: the Parquet files by which DuckDB and Spark give each other tables.

Below the folder of the agency: rows/<schema>/<table>/ has what DuckDB gives to the models, built/<schema>/<model>/ what
Spark makes of it. A build writes both anew, and removes them at its end.
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
        # A folder that is given may be the lake of other agencies too.
        self._shared = (home.root / _path(self._given).expanduser()).resolve() if self._given else None
        self.root = self._shared / agency if self._shared else home.lake.resolve()
        self.prefix = f"{agency}_"

    @property
    def built(self) -> Path:
        """The tables that Spark has built: <schema>/<model>/*.parquet."""
        return self.root / "built"

    def make(self) -> None:
        """Make the empty folder of the agency. Raises AmkpiError where it cannot; a lake outside of HOME must exist."""
        url = urlsplit(self._given)
        if url.netloc and (url.scheme, url.netloc) != ("file", "localhost"):
            # Only the scheme is told: an address may hold a key.
            raise AmkpiError(
                f"setting lake: {url.scheme}:// is not supported; give a folder, or its file:/// address,"
                " that Spark sees under the same path"
            )
        if self._shared and not self._shared.is_dir():
            raise AmkpiError(f"setting lake: no folder {self._shared}; create it, or give the right one")
        try:
            self.remove()
            if self._shared is None:
                permissions.make_folder(self.root, permissions.PRIVATE)
            self.built.mkdir(parents=True)
        except OSError as error:
            raise AmkpiError(f"cannot write into the lake {self.root}: {error.strerror}") from error

    def remove(self) -> None:
        """Remove what the last build left."""
        shutil.rmtree(self.root, ignore_errors=True)

    def write_rows(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write every table that a model reads and dbt does not make, from the warehouse."""
        for schema, table in source_tables(self._project):
            folder = self.root / "rows" / schema / table
            folder.mkdir(parents=True)
            types = connection.execute(
                "select column_name, data_type from duckdb_columns() where database_name = current_database()"
                " and schema_name = ? and table_name = ?",
                [schema, table],
            ).fetchall()
            casts = ", ".join(f'"{name}"::{_AS[kind]} as "{name}"' for name, kind in types if kind in _AS)
            rows = f"select * {f'replace ({casts})' if casts else ''} from {schema}.{table}"
            connection.execute(f"copy ({rows}) to {literal(str(folder / 'rows.parquet'))} (format parquet)")

    def show_to(self, session: Any) -> None:
        """Make the databases of the agency in Spark: those of the rows with their tables, those of the models empty."""
        sources = list(source_tables(self._project))
        for schema in dict.fromkeys([schema for schema, _ in sources] + model_schemas(self._project)):
            session.sql(f"drop database if exists {self.prefix}{schema} cascade")
            session.sql(f"create database {self.prefix}{schema} location {_place(self.built / schema)}")
        for schema, table in sources:
            place = _place(self.root / "rows" / schema / table)
            session.sql(f"create table {self.prefix}{schema}.{table} using parquet location {place}")

    def hide_from(self, session: Any) -> None:
        """Drop the databases of the agency in Spark; they may be on a server that others use."""
        sources = source_tables(self._project)
        for schema in dict.fromkeys([schema for schema, _ in sources] + model_schemas(self._project)):
            session.sql(f"drop database if exists {self.prefix}{schema} cascade")


def _path(given: str) -> Path:
    """The folder that the setting names, by its path or by its file URL."""
    url = urlsplit(given)
    return Path(unquote(url.path) if url.scheme == "file" else given)


def _place(folder: Path) -> str:
    """A folder as a literal of Spark's SQL. Spark takes an address as it is written: %20 is no space."""
    escaped = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return f"'file://{escaped}'"


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
