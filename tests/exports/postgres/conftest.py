"""What the tests of PostgreSQL share: a real server, a database for each test, and random publications."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.access.names import Names
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file
from amkpi.core.run import Progress, silent
from amkpi.core.settings import Settings, load_settings
from amkpi.exports.postgres.write import PostgresReport, write
from tests.changed_settings import changed
from tests.exports import random_marts
from tests.exports.plain_rule import Row
from tests.exports.postgres.server import Server, programs, running

NOW = datetime(2026, 10, 18, 1, 0, tzinfo=UTC)
_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    bin_ = programs()
    if bin_ is None:
        pytest.skip("no PostgreSQL 15 or later on this machine: apt-get install postgresql")
    with running(bin_) as found:
        found.rows("postgres", "create role publisher login createrole")
        yield found


@dataclass
class Database:
    """A database of the server, and the agency whose publications are written to it."""

    server: Server
    name: str
    home: Home
    settings: Settings
    names: Names = field(default_factory=lambda: random_marts.named(0))

    def set_up(self, seed: int = 20, **settings: Any) -> None:
        """Write a random publication with these settings, by their flat names."""
        self.names = random_marts.named(seed)
        self.settings = changed(self.settings, **settings)
        self.publish(seed)
        self.write()

    def publish(self, seed: int, publication_id: str = "00000000000000aa") -> Path:
        """Publish random marts of the people, without writing them to the database."""
        return random_marts.publish(self.home, seed, self.names, publication_id)

    def write(self, user: str = "publisher", progress: Progress = silent) -> PostgresReport:
        """Write the current publication."""
        file = current_file(self.home)
        assert file is not None
        return write(self.server.url(self.name, user), file, self.settings, NOW, progress)

    def rows(self, sql: str, *values: Any, user: str = "postgres") -> list[tuple[Any, ...]]:
        return self.server.rows(self.name, sql, *values, user=user)

    def publication(self, user: str = "postgres") -> str:
        """The publication that a user sees."""
        ((found,),) = self.rows("select publication_id from marts.publication", user=user)
        return str(found)

    def let_in(self, *roles: str) -> None:
        """What an administrator does once: give a role its login."""
        for (statement,) in self.rows("select format('alter role %%I login', unnest(%s))", list(roles)):
            self.rows(statement)


@contextmanager
def new_database(server: Server, folder: Path) -> Iterator[Database]:
    """A database of the publisher, and a home, which are removed afterwards."""
    name = f"kpi_{next(_numbers)}"
    server.rows("postgres", f"create database {name} owner publisher template template0")
    home = Home.at(folder / "home")
    home.make()
    try:
        yield Database(server, name, home, load_settings(home, {}))
    finally:
        server.rows("postgres", f"drop database {name} with (force)")


@pytest.fixture
def database(server: Server, tmp_path: Path) -> Iterator[Database]:
    with new_database(server, tmp_path) as found:
        yield found


def marts_of(file: Path) -> dict[str, list[Row]]:
    """All rows of a published file."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        names = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
        ).fetchall()
        found = {}
        for (name,) in names:
            result = connection.execute(f"select * from marts.{name}")
            columns = [column[0] for column in result.description or []]
            found[name] = [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
    return found


def counted(rows: list[Row]) -> list[str]:
    """The rows in an order of their own, comparable in any order."""
    return sorted(repr({name: _plain(value) for name, value in row.items()}) for row in rows)


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def read(connection: Any, relation: str) -> list[Row]:
    """The rows of a table or view, by the names of its columns."""
    with connection.cursor() as cursor:
        cursor.execute("set timezone = 'UTC'")
        cursor.execute(f"select * from {relation}")
        columns = [column.name for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
