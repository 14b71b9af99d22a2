"""Copy the rows that changed since the last publication: of a mart with periods those of its changed periods."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.storage.sql import literal
from amkpi.exports.postgres.policies import RIGHTS
from amkpi.exports.postgres.tables import Table

_BATCH = 50_000
# The same text in DuckDB and in PostgreSQL.
_PERIOD = "coalesce(period_grain, '') || ' ' || coalesce(cast(period_start as {text}), '')"


class _Chunks(io.RawIOBase):
    """A file of chunks that are made while it is read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def copy_changed(cursor: Any, source: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Bring the rows of a table to those of the published file; returns how many were copied. Raises AmkpiError."""
    new = _fingerprints(source, table)
    cursor.execute(f"select part, fingerprint from {RIGHTS}.fingerprints where table_name = %s", [table.name])
    old = dict(cursor.fetchall())
    changed = {part for part in new.keys() | old.keys() if new.get(part) != old.get(part)}
    copied = _replace(cursor, source, table, changed if old.keys() - changed else None) if changed else 0
    if not _has_all(cursor, source, table):
        # Somebody has changed rows by hand.
        copied = _replace(cursor, source, table, None)
        if not _has_all(cursor, source, table):
            raise AmkpiError(f"PostgreSQL has not taken all rows of {table.full_name}: run `amkpi publish` again")
    if changed:
        cursor.execute(f"delete from {RIGHTS}.fingerprints where table_name = %s", [table.name])
        cursor.execute(
            f"insert into {RIGHTS}.fingerprints (table_name, part, fingerprint) select %s, * from unnest(%s, %s)",
            [table.name, list(new), list(new.values())],
        )
    return copied


def _part(table: Table, text: str) -> str:
    """SQL for the part of the table that a row belongs to: its period, or the whole table."""
    return _PERIOD.format(text=text) if table.has("period_grain", "period_start") else "''"


def _fingerprints(source: duckdb.DuckDBPyConnection, table: Table) -> Mapping[str, str]:
    """A hash of the rows of each part, in any order."""
    return dict(
        source.execute(
            f"select {_part(table, 'varchar')}, concat_ws(' ', count(*), bit_xor(hash(counted)), sum(hash(counted)))"
            f" from {table.full_name} as counted group by all"
        ).fetchall()
    )


def _replace(cursor: Any, source: duckdb.DuckDBPyConnection, table: Table, parts: set[str] | None) -> int:
    """Delete and copy the rows of these parts, of all where None."""
    if parts is None:
        cursor.execute(f"delete from {table.full_name}")
        where = ""
    else:
        cursor.execute(f"delete from {table.full_name} where {_part(table, 'text')} = any(%s)", [sorted(parts)])
        where = f" where {_part(table, 'varchar')} in ({', '.join(map(literal, sorted(parts)))})"
    file = io.BufferedReader(_Chunks(_csv(source, table.rows() + where)), 1 << 20)
    cursor.copy_expert(f"copy {table.full_name} from stdin (format csv)", file, 1 << 18)
    return int(cursor.rowcount)


def _csv(source: duckdb.DuckDBPyConnection, query: str) -> Iterator[bytes]:
    """The rows as CSV. Every value is quoted, so that an empty text differs from NULL, which is empty."""
    from pyarrow import csv

    options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
    for batch in source.sql(query).to_arrow_reader(_BATCH):
        buffer = io.BytesIO()
        csv.write_csv(batch, buffer, options)
        yield buffer.getvalue()


def _has_all(cursor: Any, source: duckdb.DuckDBPyConnection, table: Table) -> bool:
    cursor.execute(f"select count(*) from {table.full_name}")
    return bool(cursor.fetchone()[0] == source.execute(f"select count(*) from {table.full_name}").fetchall()[0][0])
