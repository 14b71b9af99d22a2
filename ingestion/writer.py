"""Inserting: a file that can be opened as an extract becomes rows of `raw` and `typed`, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from amkpi.core.storage.sql import literal
from amkpi.ingestion.contracts.extracts import Extract
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.mappings import apply
from amkpi.ingestion.readers import Content, TextRows, Unreadable, batch_schema, loose, open_text
from amkpi.ingestion.readers.decompression import DEFAULT_LIMIT
from amkpi.ingestion.readers.record_batches import TIDY
from amkpi.ingestion.tables import typed_rows


def open_rows(
    path: Path, content: Content, extract: Extract, source: apply.Mapping | None, limit: int = DEFAULT_LIMIT
) -> TextRows:
    """Open a file as the extract, by the mapping if there is one. limit: what it may unpack to. Raises Unreadable."""
    known = source.native_columns if source else frozenset(loose(column.name) for column in extract.all_columns)
    rows = open_text(path, content, known, limit)
    if source and rows.header:
        return apply.apply(source, rows)
    return rows


def insert(connection: duckdb.DuckDBPyConnection, extract: Extract, rows: TextRows, delivery: Delivery) -> int:
    """Insert raw and typed rows of one delivery; returns how many. Raises Unreadable."""
    if not rows.header:
        return 0
    places = _match(extract, rows.header)
    names = [column.name for column in extract.all_columns]
    values = [f"c{places[name]}" if name in places else "null" for name in names]
    taken = set(places.values())
    extra = [
        f"{literal(title.strip() or f'column {i + 1}')}, c{i}" for i, title in enumerate(rows.header) if i not in taken
    ]
    extras = f"case when _malformed then null else json_object({', '.join(extra)}) end" if extra else "null"
    insert = f"""
        insert into raw.{extract.name}
        select {", ".join(values)}, {extras}, _row, _malformed, _line, $delivery from batch
        """
    given = _Given(rows)
    connection.register("batch", given.reader)
    try:
        connection.execute(insert, {"delivery": delivery.delivery})
    finally:
        connection.unregister("batch")
    given.check()
    connection.execute(
        f"insert into parsed.{extract.name} {typed_rows(extract, places, tidy=given.tidy)}",
        {"delivery": delivery.delivery, "loaded_at": delivery.loaded_at},
    )
    return given.count


class _Given:
    """A file's rows as one stream, so that DuckDB writes what is read while more is read.

    tidy: whether every batch was. What goes wrong on the way ends the stream and is told by `check`: DuckDB would tell
    it as an error of its own.
    """

    def __init__(self, rows: TextRows) -> None:
        self.count = 0
        self.tidy = True
        self._failure: BaseException | None = None
        self.reader = pa.RecordBatchReader.from_batches(batch_schema(len(rows.header)), self._batches(rows))

    def _batches(self, rows: TextRows) -> Iterator[pa.RecordBatch]:
        try:
            for table in rows.batches:
                self.count += table.num_rows
                self.tidy = self.tidy and table.schema.metadata == TIDY
                yield from table.to_batches()
        except BaseException as error:  # noqa: BLE001 - told by check
            self._failure = error

    def check(self) -> None:
        """Raise what ended the stream before its end, if anything did."""
        if self._failure is not None:
            raise self._failure


def _match(extract: Extract, header: tuple[str, ...]) -> dict[str, int]:
    """Which field holds which column. Raises Unreadable for a column that is missing or there twice."""
    seen: dict[str, int] = {}
    for place, title in enumerate(header):
        name = loose(title)
        if name and name in seen:
            raise Unreadable(f"the column {title.strip()} is there twice (as {header[seen[name]].strip()} too)")
        seen[name] = place
    missing = [name for name in extract.required if loose(name) not in seen]
    if missing:
        found = ", ".join(title.strip() for title in header[:20])
        raise Unreadable(f"required column missing: {', '.join(missing)}; the file has: {found}")
    return {column.name: seen[loose(column.name)] for column in extract.all_columns if loose(column.name) in seen}
