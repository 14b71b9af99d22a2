"""A state store: one small SQLite file in HOME/state/ with what cannot be computed again.

All stores are opened here, in one way: with the newest layout, every write on disk when it returns, and errors in one
line that say what to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from amkpi.core.errors import AmkpiError
from amkpi.core.storage.migrations.migration import Applied, Migration, missing, newest, refuse_newer

# How long to wait for another process that writes, in seconds.
_PATIENCE = 30


@dataclass(frozen=True)
class StateStore:
    """One store. name: of its file; remedy: what to do when it cannot be used; former_name: of a HOME of before."""

    name: str
    migrations: tuple[Migration[sqlite3.Connection], ...]
    remedy: str
    former_name: str = ""

    def file(self, state: Path) -> Path:
        """The file below HOME/state/; under its former name where the HOME was not brought up to date yet."""
        file, former = state / self.name, state / self.former_name
        return former if self.former_name and not file.exists() and former.exists() else file

    def exists(self, state: Path) -> bool:
        """Whether anything was ever stored."""
        return self.file(state).is_file()

    @contextmanager
    def open(self, state: Path) -> Iterator[sqlite3.Connection]:
        """Open the store as one transaction; it is created, or brought up to date, where that is needed.

        Raises AmkpiError where the file cannot be used, or a newer version wrote it.
        """
        file = self.file(state)
        try:
            with closing(_connected(file)) as connection:
                self._migrate(file, connection)
                with connection:
                    yield connection
        except sqlite3.Error as error:
            raise AmkpiError(f"{file} cannot be used: {error}; {self.remedy}") from error

    def check(self, state: Path) -> None:
        """Raise AmkpiError where a newer version of the program wrote the store."""
        file = self.file(state)
        # A store that cannot be read must not stop what does not need it: whoever opens it gets the error.
        with suppress(sqlite3.Error):
            if file.is_file():
                with closing(sqlite3.connect(file, timeout=_PATIENCE)) as connection:
                    refuse_newer(str(file), _version(connection), self.migrations)

    def bring_up_to_date(self, state: Path) -> Applied | None:
        """Apply the missing migrations to a store that exists; None where there were none, or it cannot be used."""
        with suppress(sqlite3.Error):
            if self.exists(state):
                with closing(_connected(self.file(state))) as connection:
                    return self._migrate(self.file(state), connection)
        return None

    def _migrate(self, file: Path, connection: sqlite3.Connection) -> Applied | None:
        """Apply the missing migrations in one transaction: a run that is killed leaves the store as it was."""
        if _version(connection) == newest(self.migrations):
            return None
        refuse_newer(str(file), _version(connection), self.migrations)
        connection.execute("begin immediate")
        try:
            # Read again: another process may have done it while this one waited.
            before = _version(connection)
            wanted = missing(self.migrations, before)
            for migration in wanted:
                migration.apply(connection)
            connection.execute(f"pragma user_version = {newest(self.migrations)}")
            connection.commit()
        except BaseException:
            # What fails here must not hide the first error.
            with suppress(sqlite3.Error):
                connection.rollback()
            raise
        if not before or not wanted:
            return None
        return Applied(f"state/{file.name}", before, newest(self.migrations), tuple(each.text for each in wanted))


def _connected(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_PATIENCE)
    connection.execute("pragma synchronous = full")
    return connection


def _version(connection: sqlite3.Connection) -> int:
    """The layout of the store; 0 for an empty file. Version 0.1.0 recorded none."""
    (recorded,) = connection.execute("pragma user_version").fetchone()
    (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
    return int(recorded) or min(int(tables), 1)
