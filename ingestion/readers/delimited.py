"""Delimited text, read exactly: each field, each row, and the physical line on which the row begins.

A block of the file in which each line is one row is parsed as a whole: by Arrow, and its lines with a quote by Python's
csv module. If a quote spans lines, a line is blank or a row does not fit the header, the csv module reads row by row.
All ways give the same rows.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import compute
from pyarrow import csv as arrow_csv

from amkpi.ingestion.readers.decompression import DEFAULT_LIMIT, Member, utf8_chunks
from amkpi.ingestion.readers.layout import CANONICAL, Header, Layout, StopAt
from amkpi.ingestion.readers.record_batches import (
    MAX_FIELD_CHARS,
    MAX_LINE_BYTES,
    WHITE_SPACE,
    Tally,
    TextRows,
    Unreadable,
    batch_of_columns,
    checked_header,
    looks_like_the_header,
    loose,
    text_array,
)
from amkpi.ingestion.readers.table_rows import (
    SEARCHED_ROWS,
    Row,
    batches,
    data_rows,
    has_names,
    header_remedy,
    joined_names,
    no_header,
)

DELIMITERS = (",", ";", "\t", "|")
BLOCK_BYTES = 4 << 20
_SEARCHED_ROWS = 20
# A header with line ends in its names takes at most so many lines.
_LONGEST_HEADER = 40
# The first line of a CSV may tell Excel the delimiter.
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?[\r\n]*', re.IGNORECASE)
# Rare white space and the zero byte, by their first byte: searching for one byte is fast.
_ODD: dict[bytes, list[bytes]] = {}
for _ch in sorted({*WHITE_SPACE, "\0"} - set(" \t\r\n")):
    _ODD.setdefault(_ch.encode()[:1], []).append(_ch.encode())


def read_csv(
    path: Path | Member, encoding: str, known: frozenset[str], limit: int = DEFAULT_LIMIT, layout: Layout = CANONICAL
) -> TextRows:
    """Open a delimited text file.

    known: the column names that the caller looks for, as `loose` gives them; the delimiter is the one that gives the
    most of them. layout: where the table is. An empty file has an empty header. Raises `Unreadable`.
    """
    # The limit is set for the whole process; nothing else in it reads CSV with this module.
    csv.field_size_limit(MAX_FIELD_CHARS)
    lines = _Lines(_blocks(utf8_chunks(path, encoding, limit)))
    tally = Tally()
    given = _given_delimiter(lines) if lines.skip_blank() else None
    if not lines.skip_blank():
        return TextRows((), iter(()), tally=tally)
    found = _go_to_header(lines, layout.header, tally)
    delimiter = given or found or _delimiter(lines.waiting()[0], known)
    if layout.header.row is None and not layout.header.contains:
        _refuse_titles(lines, delimiter, known, layout)
    names = checked_header(_header(lines, delimiter, layout.header.height))
    shape = _Shape(delimiter, len(names), _has_padding(lines, delimiter, len(names), layout, tally))
    if layout.skip_after_header or layout.stop_at != StopAt() or layout.fill_down:
        rows = data_rows(_rows(lines, shape), names, layout, tally)
        return TextRows(names, batches(rows, shape.width, has_kinds=False), tally=tally)
    return TextRows(names, _batches(lines, shape), tally=tally)


@dataclass(frozen=True)
class _Shape:
    """delimiter: of the file; width: how many columns the header has; padding: whether every data row
    ends with one delimiter too many."""

    delimiter: str
    width: int
    padding: bool

    @property
    def fields(self) -> int:
        """How many fields a row has."""
        return self.width + self.padding

    def row(self, line: int, cells: list[str]) -> Row:
        """The row without the padding, if it fits."""
        if len(cells) != self.fields or (self.padding and cells[-1].strip()):
            return Row(line, cells, fits=False)
        return Row(line, cells[:-1] if self.padding else cells)


class _Lines:
    """The physical lines of the blocks, with their line ends. taken: how many were returned so far."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._lines: list[str] = []
        self._place = 0
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._place == len(self._lines):
            self.add(next(self._blocks))
        line = self._lines[self._place]
        self._place += 1
        self.taken += 1
        return line

    def add(self, block: bytes) -> None:
        """Continue with this block, after all lines of the one before."""
        # newline="" splits as the csv module does: at \n, \r\n and \r, and keeps them.
        self._lines = list(io.StringIO(block.decode(), newline=""))
        self._place = 0

    def waiting(self) -> list[str]:
        """The lines of the current block that were not returned yet."""
        return self._lines[self._place :]

    def at_end_of_block(self) -> bool:
        return self._place == len(self._lines)

    def skip_blank(self) -> bool:
        """Go to the next line that is not blank; returns whether there is one."""
        while True:
            if self.at_end_of_block():
                block = next(self._blocks, None)
                if block is None:
                    return False
                self.add(block)
            if self._lines[self._place].strip("\r\n"):
                return True
            next(self)

    def next_block(self) -> bytes | None:
        """The next block as bytes, after all lines of the one before. The caller then has to update `taken`."""
        return next(self._blocks, None)


def _blocks(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The text in blocks of whole lines."""
    buffer = bytearray()
    for chunk in parts:
        buffer += chunk
        if len(buffer) < BLOCK_BYTES:
            continue
        cut = buffer.rfind(b"\n") + 1
        if not cut:
            # Lines may end in \r only; the last byte may be the first half of \r\n.
            cut = buffer.rfind(b"\r", 0, len(buffer) - 1) + 1
        if cut:
            yield bytes(buffer[:cut])
            del buffer[:cut]
        if len(buffer) > MAX_LINE_BYTES:
            raise Unreadable(f"not readable as CSV: it has a line of more than {MAX_LINE_BYTES >> 20} MiB")
    if buffer:
        yield bytes(buffer)


def _given_delimiter(lines: _Lines) -> str | None:
    """The delimiter of a first line such as `sep=;`, which is skipped; None if there is no such line."""
    found = _SEPARATOR_LINE.fullmatch(lines.waiting()[0])
    if found is None:
        return None
    next(lines)
    return found[1]


def _delimiter(first: str, known: frozenset[str]) -> str:
    found = {}
    for delimiter in DELIMITERS:
        names = next(csv.reader([first], delimiter=delimiter), [])
        found[delimiter] = (len({loose(name) for name in names} & known), len(names))
    return max(DELIMITERS, key=lambda delimiter: found[delimiter])


def _go_to_header(lines: _Lines, header: Header, tally: Tally) -> str | None:
    """Go to the line on which the header begins; returns its delimiter, if that was searched. Raises Unreadable."""
    if header.row is not None:
        for line in islice(lines, max(header.row - 1 - lines.taken, 0)):
            tally.above += bool(line.strip("\r\n"))
        if not lines.skip_blank() or lines.taken != header.row - 1:
            raise Unreadable(
                f"header.row: no header can begin on line {header.row}, which is blank, below the last line or Excel's"
                " sep=: give the line on which the header begins"
            )
        return None
    if not header.contains:
        return None
    lines.skip_blank()
    waiting = lines.waiting()[: SEARCHED_ROWS + _LONGEST_HEADER]
    candidates = []
    for place in range(min(len(waiting), SEARCHED_ROWS)):
        for delimiter in DELIMITERS:
            # A name in quotes may have line ends.
            reader = csv.reader(waiting[place : place + _LONGEST_HEADER], delimiter=delimiter)
            rows = list(islice(filter(None, reader), header.height))
            if has_names(rows, header):
                for line in islice(lines, place):
                    tally.above += bool(line.strip("\r\n"))
                return delimiter
            candidates.append((lines.taken + place + 1, rows))
    raise no_header(candidates, header, "line")


def _header(lines: _Lines, delimiter: str, height: int) -> list[str]:
    """The names of the header, which begins on the next line that is not blank. Raises Unreadable."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    before = lines.taken
    try:
        rows = list(islice(filter(None, reader), height))
    except csv.Error as error:
        raise Unreadable(_broken(error, lines, before)) from error
    return rows[0] if height == 1 else joined_names(rows)


def _has_padding(lines: _Lines, delimiter: str, width: int, layout: Layout, tally: Tally) -> bool:
    """Whether the rows below the header end with a delimiter, although the header does not.

    Only a native export is forgiven that, and only if nearly all of its first rows do: one such row among others has a
    delimiter too many somewhere.
    """
    if not layout.native or (not layout.skip_after_header and not lines.skip_blank()):
        return False
    sample = list(islice(csv.reader(lines.waiting()[: 2 * _SEARCHED_ROWS], delimiter=delimiter), _SEARCHED_ROWS))
    # A row of a footer has fewer fields.
    long = [row for row in sample[layout.skip_after_header :] if row and len(row) >= width]
    padded = sum(len(row) == width + 1 and not row[-1].strip() for row in long)
    if not long or padded < 0.75 * len(long):
        return False
    tally.notes.append(f"every row ends with the delimiter {delimiter!r}, but not the header: that is no column")
    return True


def _refuse_titles(lines: _Lines, delimiter: str, known: frozenset[str], layout: Layout) -> None:
    """Refuse a file whose header is below other lines: nobody would see a wrong guess of where the table begins."""
    place = looks_like_the_header(
        [
            next(csv.reader([line], delimiter=each), [])
            for line in lines.waiting()[:_SEARCHED_ROWS]
            for each in (delimiter, *(d for d in DELIMITERS if d != delimiter))
        ],
        known,
    )
    if place:
        below = place // len(DELIMITERS)
        raise Unreadable(
            f"the header is not in the first line but {below} lines below it:"
            f" {header_remedy(lines.taken + below + 1, layout)}"
        )


def _batches(lines: _Lines, shape: _Shape) -> Iterator[pa.Table]:
    # The rest of the block of the header, then the other blocks.
    block: bytes | None = "".join(lines.waiting()).encode() or lines.next_block()
    while block is not None:
        table = _at_once(block, shape.delimiter, shape.fields, lines.taken + 1)
        if table is None or (shape.padding and not _is_blank(table.column(shape.width))):
            lines.add(block)
            yield from batches(_rows(lines, shape, until_block_ends=True), shape.width, has_kinds=False)
        else:
            lines.taken += table.num_rows
            yield table.remove_column(shape.width) if shape.padding else table
        block = lines.next_block()


def _is_blank(column: pa.ChunkedArray) -> bool:
    return bool(compute.max(compute.binary_length(column)).as_py() == 0)


def _at_once(block: bytes, delimiter: str, width: int, first_line: int) -> pa.Table | None:
    """The block parsed as a whole; None unless surely every line is one row with all its fields."""
    if len(block) > MAX_LINE_BYTES:
        return None
    if b"\r" in block and (b"\n\r" in block or block.count(b"\r") != block.count(b"\r\n")):
        return None
    count = block.count(b"\n") + (not block.endswith(b"\n"))
    numbers = range(first_line, first_line + count)
    if b'"' not in block:
        columns = _without_quotes(block, delimiter, width, count)
        return columns and batch_of_columns(columns, numbers, tidy=_is_tidy(block, delimiter))
    lines = block.removesuffix(b"\n").split(b"\n")
    plain: list[int] = []
    quoted: list[int] = []
    for place, line in enumerate(lines):
        (quoted if b'"' in line else plain).append(place)
    rows = _one_a_line([lines[place] for place in quoted], delimiter, width)
    if rows is None:
        return None
    rest = b"\n".join(lines[place] for place in plain)
    columns = _without_quotes(rest, delimiter, width, len(plain))
    if columns is None:
        return None
    tidy = _is_tidy(rest, delimiter) and _are_tidy([cell for row in rows for cell in row])
    of_quoted = [text_array(cells) for cells in zip(*rows, strict=True)]
    both = [pa.concat_arrays(pair) for pair in zip(columns, of_quoted, strict=True)]
    table = batch_of_columns(both, (numbers[place] for place in (*plain, *quoted)), tidy=tidy)
    return table.take(compute.sort_indices(table["_line"]))


def _without_quotes(block: bytes, delimiter: str, width: int, count: int) -> list[pa.Array] | None:
    """The columns of `count` lines; None unless every line is one row with all its fields."""
    if not count:
        return [pa.nulls(0, pa.string())] * width
    names = [f"c{i}" for i in range(width)]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(block),
            arrow_csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            arrow_csv.ParseOptions(delimiter=delimiter, quote_char=False, double_quote=False),
            arrow_csv.ConvertOptions(
                check_utf8=False, column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None  # a row with more or fewer fields
    if table.num_rows != count:
        return None  # Arrow skips blank lines
    return [column.combine_chunks() for column in table.columns]


def _one_a_line(lines: list[bytes], delimiter: str, width: int) -> list[list[str]] | None:
    """The rows of these lines; None if a quote spans lines, or a row has more or fewer fields."""
    try:
        rows = list(csv.reader((f"{line.decode()}\n" for line in lines), delimiter=delimiter, strict=True))
    except csv.Error:
        return None  # reading row by row finds the line
    return rows if len(rows) == len(lines) and all(len(row) == width for row in rows) else None


def _is_tidy(block: bytes, delimiter: str) -> bool:
    """Whether every cell is surely in NFC, without white space around it and without a zero byte."""
    if any(first in block and any(ch in block for ch in chars) for first, chars in _ODD.items()):
        return False
    if delimiter != "\t" and b"\t" in block:
        return False
    if b" " in block:
        cut = delimiter.encode()
        around = (b" " + cut, cut + b" ", b" \n", b"\n ", b" \r")
        if block.startswith(b" ") or block.endswith(b" ") or any(pair in block for pair in around):
            return False
    # Delimiters and line ends never compose with the next character: if the whole is in NFC, so are its cells.
    return block.isascii() or unicodedata.is_normalized("NFC", block.decode())


def _are_tidy(cells: list[str]) -> bool:
    text = "\n".join(cells)
    stripped = [cell.strip() for cell in cells]
    return cells == stripped and "\0" not in text and unicodedata.is_normalized("NFC", text)


def _rows(lines: _Lines, shape: _Shape, *, until_block_ends: bool = False) -> Iterator[Row]:
    """The rows of the next lines, blank lines too; to the end, or until a row ends at the end of a block."""
    reader = csv.reader(lines, delimiter=shape.delimiter, strict=True)
    before = lines.taken
    try:
        for cells in reader:
            yield shape.row(before + 1, cells) if cells else Row(before + 1, ())
            before = lines.taken
            if until_block_ends and lines.at_end_of_block():
                return
    except csv.Error as error:
        raise Unreadable(_broken(error, lines, before)) from error


def _broken(error: csv.Error, lines: _Lines, before: int) -> str:
    if "end of data" in str(error):
        return f"not readable as CSV: the row that begins on line {before + 1} has a quote that is never closed"
    if "field larger" in str(error):
        return (
            f"not readable as CSV: the row that begins on line {before + 1} has a field of more than"
            f" {MAX_FIELD_CHARS} characters, or a quote that is never closed"
        )
    return f"not readable as CSV: line {lines.taken}: {error}"
