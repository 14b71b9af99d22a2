"""A state store: one small SQLite file in HOME/state/ with what cannot be computed again.

All stores are opened here, in one way: with the newest layout, every write on disk when it returns, and errors in one
line that say what to do. A new file gets its name only with its tables: an empty file is a damaged one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from amkpi.core.errors import AmkpiError
from amkpi.core.storage import permissions
from amkpi.core.storage.migrations.migration import Applied, Migration, missing, newest, refuse_newer

# How long to wait for another process that writes, in seconds.
_PATIENCE = 30
# Files of SQLite next to a store that is open, or that a killed process left. They belong to that file alone.
SIDE_FILES = ("-journal", "-wal", "-shm")
# What says nothing against the file itself, by the first words of SQLite's code.
_NOT_DAMAGE = {
    "SQLITE_BUSY": f"another process has held it for {_PATIENCE} s: end that process, and run again",
    "SQLITE_LOCKED": "another process holds it: end that process, and run again",
    "SQLITE_FULL": "make room on its disk, and run again",
    "SQLITE_IOERR": "look at its disk, and run again",
}

Row = TypeVar("Row")


def remedy(name: str, lost: str) -> str:
    """What to do about a damaged file of HOME/state/. lost: what is lost with it."""
    return f"`amkpi restore BACKUP --only {name}` brings it back; without a backup move it away: {lost}"


@dataclass(frozen=True)
class StateStore:
    """One store. name: of its file; holds: what is in it; lost: what is lost with it; former_name: of a HOME of before.

    holds and lost are parts of sentences.
    """

    name: str
    migrations: tuple[Migration[sqlite3.Connection], ...]
    holds: str
    lost: str
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
            self._create(file)
            with closing(_connected(file)) as connection:
                self._migrate(file, connection)
                with connection:
                    yield connection
        except sqlite3.Error as error:
            raise self._unusable(file, error) from error

    def read(self, state: Path, query: str, decode: Callable[..., Row], values: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query, each as `decode` makes it of its columns; none where nothing was ever stored.

        Raises AmkpiError for a row that `decode` cannot read, and as `open` does.
        """
        if not self.exists(state):
            return []
        with self.open(state) as connection:
            rows = connection.execute(query, values).fetchall()
        try:
            return [decode(*row) for row in rows]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise self._damaged(self.file(state), f"a row of it cannot be read: {error}") from error

    def check(self, state: Path) -> None:
        """Raise AmkpiError where a newer version of the program wrote the store."""
        file = self.file(state)
        # A store that cannot be read must not stop what does not need it: whoever opens it gets the error.
        with suppress(sqlite3.Error):
            if file.is_file():
                with closing(sqlite3.connect(file, timeout=_PATIENCE)) as connection:
                    refuse_newer(str(file), _version(connection), self.migrations)

    def verify(self, state: Path, whole: bool = False) -> None:
        """Raise AmkpiError where the store cannot be used; nothing is changed. whole: read every page of it."""
        file = self.file(state)
        if not file.exists():
            return
        try:
            with closing(_connected(file)) as connection:
                refuse_newer(str(file), _version(connection), self.migrations)
                if _version(connection) == 0:
                    raise self._damaged(file, "it is empty")
                lacking = self._tables(_version(connection)) - _tables(connection)
                if lacking:
                    raise self._damaged(file, f"it has no table {', '.join(sorted(lacking))}")
                if whole and (found := connection.execute("pragma integrity_check(1)").fetchone()[0]) != "ok":
                    raise self._damaged(file, found)
        except sqlite3.Error as error:
            raise self._unusable(file, error) from error

    def bring_up_to_date(self, state: Path) -> Applied | None:
        """Apply the missing migrations to a store that exists; None where there were none, or it cannot be used."""
        file = self.file(state)
        with suppress(sqlite3.Error):
            if self.exists(state) and file.stat().st_size:
                with closing(_connected(file)) as connection:
                    return self._migrate(file, connection)
        return None

    def _create(self, file: Path) -> None:
        """Make a file with its tables where there is none. Raises AmkpiError for an empty file, and sqlite3.Error."""
        if file.exists():
            if file.is_file() and not file.stat().st_size:
                raise self._damaged(file, "it is empty")
            return
        # SQLite makes an empty file at first: that of a killed process could not be told from a damaged one.
        partial = file.with_name(f".{file.name}.{os.getpid()}.part")
        for leftover in (partial, *(partial.with_name(partial.name + side) for side in SIDE_FILES)):
            leftover.unlink(missing_ok=True)
        try:
            with closing(_connected(partial)) as connection:
                self._migrate(file, connection)
            try:
                os.link(partial, file)
            except FileExistsError:
                pass  # another process was first
            except OSError:  # a file system without links
                partial.replace(file)
        except OSError as error:
            raise AmkpiError(permissions.refusal(error) or f"{file} cannot be made: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _tables(self, version: int) -> set[str]:
        """The tables of the layout of that number."""
        with closing(sqlite3.connect(":memory:")) as connection:
            for migration in self.migrations:
                if migration.number <= version:
                    migration.apply(connection)
            return _tables(connection)

    def _damaged(self, file: Path, why: str) -> AmkpiError:
        return AmkpiError(f"{file} is damaged: {' '.join(why.split())}; {remedy(self.name, self.lost)}")

    def _unusable(self, file: Path, error: sqlite3.Error) -> AmkpiError:
        """The error of SQLite in one line, with what to do about it."""
        # Errors of Python's own module have no code.
        code = getattr(error, "sqlite_errorname", "")
        for other, what in _NOT_DAMAGE.items():
            if code.startswith(other):
                return AmkpiError(f"{file} cannot be used: {error}; {what}")
        folder_is_open = os.access(file.parent, os.W_OK | os.X_OK)
        if file.is_file() and not (folder_is_open and os.access(file, os.R_OK | os.W_OK)):
            return AmkpiError(permissions.describe(file))
        return AmkpiError(f"{file} cannot be used: {error}; {remedy(self.name, self.lost)}")

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


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def _version(connection: sqlite3.Connection) -> int:
    """The layout of the store; 0 for an empty file. Version 0.1.0 recorded none."""
    (recorded,) = connection.execute("pragma user_version").fetchone()
    (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
    return int(recorded) or min(int(tables), 1)
