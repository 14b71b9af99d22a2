"""SQL that somebody else wrote, run on the current publication behind a fence.

It is one statement that only reads. It reaches no file, no network and no setting, and its memory and time are limited.
`amkpi query` and the tool `query` of the MCP server use this, and nothing else runs such SQL.
"""

from __future__ import annotations

import os
import re
import select
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.core.storage.sql import identifier, literal
from amkpi.publishing.reader import current_publication_file

Form = Literal["csv", "json", "parquet"]

# MULTI is a PIVOT: DuckDB first asks for the names of its columns.
_READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI}
_EXPLAIN = re.compile(r"\s*explain\b(\s*\([^)]*\))?(\s+analyze\b)?", re.IGNORECASE)
_COPY_OPTIONS: dict[Form, str] = {
    "csv": "format csv, header true",
    "json": "format json, array true",
    "parquet": "format parquet, compression zstd",
}
# JSON has no such numbers, and DuckDB writes them. A string is matched whole, so that a word in it stays.
_JSON_STRING_OR_NO_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b')
_POINTER = re.compile(r"^ *\^+ *$", re.MULTILINE)
_CHUNK = 1 << 16
# The name of the query where another statement reads its rows.
_SOURCE = "rows_of_query"


@dataclass(frozen=True)
class Answer:
    """The rows of a query. types: of the columns, as DuckDB names them. has_more: whether rows were left out."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    has_more: bool


@contextmanager
def fenced(home: Home, settings: Settings) -> Iterator[Fence]:
    """Open the current publication behind a fence. Raises AmkpiError before the first publication."""
    file = current_publication_file(home)
    limits = settings.storage
    with tempfile.TemporaryDirectory(prefix="amkpi-") as folder:
        pipe = Path(folder) / "rows"
        # An instance of its own: a process has one instance of each file, and its settings may be locked already.
        try:
            connection = duckdb.connect(":memory:", config={"memory_limit": limits.query_memory_limit})
        except duckdb.Error as error:
            raise AmkpiError(f"setting query_memory_limit = {limits.query_memory_limit!r}: {_line(error)}") from error
        try:
            try:
                connection.execute(f"attach {literal(str(file))} as published (read_only)")
            except duckdb.Error as error:
                raise AmkpiError(f"{file} cannot be opened: {_line(error)}") from error
            connection.execute("use published.marts")
            connection.execute("set global timezone = ?", [settings.timezone])
            # Without a folder, more than the limit is an error and does not fill the disk.
            connection.execute("set temp_directory = ''")
            connection.execute("set autoload_known_extensions = false")
            connection.execute("set autoinstall_known_extensions = false")
            connection.execute(f"set allowed_paths = [{literal(str(pipe))}]")
            connection.execute("set enable_external_access = false")
            connection.execute("set lock_configuration = true")
            yield Fence(connection, pipe, limits.query_seconds, limits.query_memory_limit)
        finally:
            connection.close()


class Fence:
    """A fenced connection, from `fenced`. It is for one thread."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, pipe: Path, seconds: float, memory: str) -> None:
        self._connection = connection
        self._pipe = pipe
        self._seconds = seconds
        self._memory = memory

    def rows(self, sql: str, most: int) -> Answer:
        """The first rows of a query, at most so many. Raises AmkpiError for everything that is wrong with the query."""
        return self._fetched(sql, most, "*")

    def texts(self, sql: str, most: int) -> Answer:
        """The same with each cell as DuckDB writes it, None for NULL. The types are those of the query."""
        return self._fetched(sql, most, "columns(*)::varchar")

    def _fetched(self, sql: str, most: int, cells: str) -> Answer:
        self._check(sql)
        timer = threading.Timer(self._seconds, self._connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            relation, columns = _described(self._connection, sql)
            rows = _selected(relation, f"select {cells} from {_SOURCE} limit {most + 1}").fetchall()
        except (duckdb.Error, MemoryError, OverflowError, ValueError) as error:
            raise self._failure(error) from error
        finally:
            timer.cancel()
        names, types = tuple(name for name, _ in columns), tuple(kind for _, kind in columns)
        return Answer(names, types, rows[:most], len(rows) > most)

    def stream(self, sql: str, form: Form, write: Callable[[bytes], bool]) -> None:
        """Write all rows of a query in a format of DuckDB, piece by piece.

        write: takes a piece, and returns whether more is wanted. The time that it takes is not the query's. JSON is an
        array of objects, with null for what is no number; CSV has an empty cell for that. Raises AmkpiError.
        """
        self._check(sql)
        os.mkfifo(self._pipe, 0o600)
        reading = os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK)
        # Held until the query ends: the pipe has no end before that, and always one where the query failed at once.
        held = os.open(self._pipe, os.O_WRONLY)
        failures: list[Exception] = []

        def copy() -> None:
            try:
                self._copy(sql, form)
            except (duckdb.Error, MemoryError, OverflowError, ValueError) as error:
                failures.append(error)
            finally:
                os.close(held)

        worker = threading.Thread(target=copy, daemon=True)
        worker.start()
        wanted = True
        try:
            for piece in self._pieces(reading):
                wanted = write(_json_numbers(piece) if form == "json" else piece)
                if not wanted:
                    break
        finally:
            os.close(reading)
            self._connection.interrupt()
            worker.join()
            self._pipe.unlink()
        if failures and wanted:
            raise self._failure(failures[0]) from failures[0]

    def _copy(self, sql: str, form: Form) -> None:
        relation, columns = _described(self._connection, sql)
        numbers = [identifier(name) for name, kind in columns if kind in ("DOUBLE", "FLOAT")] if form == "csv" else []
        cells = ", ".join(f"case when not isnan({name}) then {name} end as {name}" for name in numbers)
        selected = f"select * replace ({cells}) from {_SOURCE}" if cells else f"from {_SOURCE}"
        relation.query(_SOURCE, f"copy ({selected}) to {literal(str(self._pipe))} ({_COPY_OPTIONS[form]})")

    def _pieces(self, reading: int) -> Iterator[bytes]:
        """What the pipe gives, cut at ends of lines; the query is interrupted when it has used its time."""
        left, rest = self._seconds, b""
        while True:
            started = time.monotonic()
            ready, _, _ = select.select([reading], [], [], max(left, 0.0) or None)
            left -= time.monotonic() - started
            if not ready:
                left = 0.0
                self._connection.interrupt()
                continue
            piece = os.read(reading, _CHUNK)
            if not piece:
                break
            *lines, rest = (rest + piece).rpartition(b"\n")
            if whole := b"".join(lines):
                yield whole
        if rest:
            yield rest

    def _check(self, sql: str) -> None:
        """Raise AmkpiError unless the text is one statement that only reads."""
        statements = self._parsed(sql)
        if not statements:
            raise AmkpiError("the query is empty")
        if len(statements) > 1:
            raise AmkpiError(f"a query is one statement, and these are {len(statements)}: run them one by one")
        kind = statements[0].type
        if kind == duckdb.StatementType.EXPLAIN:
            explained = self._parsed(_EXPLAIN.sub("", sql, count=1))
            kind = explained[0].type if len(explained) == 1 else kind
            if kind == duckdb.StatementType.SELECT:
                return
        elif kind in _READING:
            return
        raise AmkpiError(
            f"a query only reads, and {kind.name} is refused: use SELECT, FROM, WITH, DESCRIBE, SUMMARIZE or PIVOT"
        )

    def _parsed(self, sql: str) -> list[duckdb.Statement]:
        try:
            return self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> AmkpiError:
        if isinstance(error, duckdb.InterruptException):
            return AmkpiError(
                f"the query took longer than {self._seconds:g} s and was stopped: narrow it down, or raise the setting"
                " query_seconds"
            )
        if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
            return AmkpiError(
                f"the query needs more memory than {self._memory} and was stopped: narrow it down, or raise the setting"
                " query_memory_limit"
            )
        return AmkpiError(f"the query failed: {_line(error)}")


def _described(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> tuple[duckdb.DuckDBPyRelation, list[tuple[str, str]]]:
    """The query as a relation, with the names and types of its columns.

    A relation and not text put together: a part of the statement cannot become a part of another one.
    """
    relation = connection.sql(sql)
    if relation is None:
        raise ValueError("the statement gives no rows")
    columns = _selected(relation, f"describe {_SOURCE}").fetchall()
    return relation, [(name, kind) for name, kind, *_ in columns]


def _selected(relation: duckdb.DuckDBPyRelation, sql: str) -> duckdb.DuckDBPyRelation:
    """What a statement makes of the rows of a relation."""
    found = relation.query(_SOURCE, sql)
    if found is None:
        raise ValueError("the statement gives no rows")
    return found


def _json_numbers(piece: bytes) -> bytes:
    """Whole lines of JSON with null for NaN and infinity. A record is on one line."""
    if b"NaN" not in piece and b"Infinity" not in piece:
        return piece
    return _JSON_STRING_OR_NO_NUMBER.sub(lambda found: found[0] if found[0][:1] == b'"' else b"null", piece)


def _line(error: Exception) -> str:
    """The error on one line, without DuckDB's line of ^^^ that points into the line above it."""
    return " ".join(_POINTER.sub("", str(error)).split())
