"""The writer: writes the rows of one file into the raw and parsed tables, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa

from amkpi.core.storage.sql import literal
from amkpi.core.storage.transactions import registered
from amkpi.ingestion.contracts.extracts import EXTRACTS, Extract
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.erasure import container
from amkpi.ingestion.mappings.apply import apply
from amkpi.ingestion.mappings.cells import SHORTENED
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.readers import CANONICAL, Content, TextRows, Unreadable, batch_schema, loose, open_text
from amkpi.ingestion.readers.decompression import DEFAULT_LIMIT, WORKBOOKS, ending
from amkpi.ingestion.readers.record_batches import TIDY
from amkpi.ingestion.tables import parsed_rows
from amkpi.ingestion.validation import repeated_keys
from amkpi.ingestion.validation.exported_cells import as_it_was
from amkpi.ingestion.validation.settled_rows import SHA256

_LONGEST_TEXT = 600


def write_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    content: Content,
    delivery: Delivery,
    source: Mapping | None,
    limit: int,
) -> Delivery:
    """Write the rows of a file as the delivery's extract.

    Returns the delivery with its counts. Raises Unreadable.
    """
    extract = EXTRACTS[delivery.extract or ""]
    rows = open_rows(path, content, extract, source, limit)
    count = write_rows(connection, extract, rows, delivery)
    repeated = (
        repeated_keys.settle(connection, extract, delivery, source.duplicates)
        if source
        else repeated_keys.find(connection, extract, delivery.delivery)
    )
    notes = [*rows.tally.notes, *([repeated.note] if repeated.undecided or repeated.summed else [])]
    if source is None:
        notes += _notes_on_shortened_ids(connection, extract, delivery)
    if source and any(rule.id_from for rule in source.columns.values()):
        notes += _notes_on_other_formats(connection, delivery)
    return replace(
        delivery,
        rows_read=count,
        rows_skipped_above=rows.tally.above,
        rows_skipped_footer=rows.tally.footer,
        rows_skipped_filtered=rows.tally.filtered,
        cells_cleaned=rows.tally.cleaned,
        saved_zeros=rows.tally.saved_zeros,
        rows_repeated=repeated.rows,
        keys_undecided=repeated.undecided,
        mapping_sha256=source.sha256 if source else None,
        notes=in_one_line("; ".join(notes)) or None,
    )


def _notes_on_other_formats(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> list[str]:
    """What to know if the source's last file was of another format: the same row then has another id of `id_from`."""
    last = connection.execute(
        "select file_name from raw.ledger where source = ? and extract = ? and status = 'loaded'"
        " order by delivery desc limit 1",
        [delivery.source, delivery.extract],
    ).fetchall()
    before, now = (_format(name) for name in (last[0][0] if last else delivery.file_name, delivery.file_name))
    if before == now:
        return []
    return [
        f"id_from: the file before was a {before}, this one is a {now}: a date or a number that they write in different"
        " ways gives the same row another id, so that it would count twice"
    ]


def _notes_on_shortened_ids(connection: duckdb.DuckDBPyConnection, extract: Extract, delivery: Delivery) -> list[str]:
    """What to know about ids such as 1.23457E+11. A mapping refuses them; an extract may have such a text as an id."""
    found = []
    for column in extract.columns:
        if column.type == "text" and (column.name in extract.key or column.references):
            is_shortened = f"contains({column.name}, '+') and regexp_full_match(trim({column.name}), '{SHORTENED}')"
            ((count, first),) = connection.execute(
                f"select count(*), min({column.name}) from raw.{extract.name} where _delivery = ? and {is_shortened}",
                [delivery.delivery],
            ).fetchall()
            if count:
                found.append(
                    f"{column.name}: {count} rows have an id such as {first}, which a spreadsheet has shortened: format"
                    " the column as text, and export it again"
                )
    return found


def _format(file_name: str) -> str:
    kind = ending(file_name).removesuffix(".gz").removesuffix(".zst")
    return "workbook" if kind in WORKBOOKS else "text" if kind in (".csv", ".tsv", ".txt") else kind


def in_one_line(text: str) -> str:
    """A text for people that may quote content of a file, as printable text on one line, not longer than needed."""
    plain = "".join(ch if ch.isprintable() else " " for ch in text)
    short = " ".join(plain.split())
    return short if len(short) <= _LONGEST_TEXT else short[: _LONGEST_TEXT - 2] + " …"


def open_rows(
    path: Path, content: Content, extract: Extract, source: Mapping | None, limit: int = DEFAULT_LIMIT
) -> TextRows:
    """Open a file as rows of the extract, by the mapping if there is one. limit: of its decompressed bytes.

    Raises Unreadable.
    """
    rows = open_native(path, content, extract, source, limit)
    if source and rows.header:
        return apply(source, rows)
    return rows


def open_native(path: Path, content: Content, extract: Extract, source: Mapping | None, limit: int) -> TextRows:
    """Open a file as the rows of which the mapping, if there is one, makes those of the extract. Raises Unreadable."""
    layout = source.layout if source else CANONICAL
    if content.is_erased:
        return container.read(path, extract.name, source.name if source else "", layout)
    known = source.native_columns if source else frozenset(loose(column.name) for column in extract.all_columns)
    return open_text(path, content, known, limit, layout)


def write_rows(connection: duckdb.DuckDBPyConnection, extract: Extract, rows: TextRows, delivery: Delivery) -> int:
    """Write the raw and parsed rows of one delivery; returns how many. Raises Unreadable."""
    if not rows.header:
        return 0
    places = places_of(extract, rows.header)
    # Only an exported quarantine has this column.
    is_exported = any(loose(title) == loose(SHA256) for title in rows.header)
    columns = [f"{as_it_was(f'c{place}') if is_exported else f'c{place}'} as {name}" for name, place in places.items()]
    taken = set(places.values())
    extra = [
        f"{literal(title.strip() or f'column {i + 1}')}, c{i}" for i, title in enumerate(rows.header) if i not in taken
    ]
    if extra:
        columns.append(f"case when not _malformed then json_object({', '.join(extra)}) end as _extra")
    insert = f"""
        insert into raw.{extract.name} by name
        select {", ".join(columns)}, _row, _malformed, _line, $delivery as _delivery from batch
        """
    stream = _Stream(rows)
    with registered(connection, "batch", stream.reader):
        connection.execute(insert, {"delivery": delivery.delivery})
    stream.check()
    connection.execute(
        f"insert into parsed.{extract.name} by name {parsed_rows(extract, places, tidy=stream.tidy)}",
        {"delivery": delivery.delivery, "loaded_at": delivery.loaded_at},
    )
    return stream.count


class _Stream:
    """The rows of a file as one stream, so that DuckDB writes the first rows while the next are read.

    tidy: whether every batch is. Read errors end the stream and are raised by `check`: if they were raised inside the
    stream, DuckDB would wrap them in an error of its own.
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
        except BaseException as error:  # noqa: BLE001 - raised by check
            self._failure = error

    def check(self) -> None:
        """Raise the error that ended the stream early, if there was one."""
        if self._failure is not None:
            raise self._failure


def places_of(extract: Extract, header: Sequence[str]) -> dict[str, int]:
    """The place of each column of the extract in the header. Raises Unreadable if one is missing or there twice."""
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
