"""Rows of text as record batches: what every reader returns, and the limits that hold for every format."""

from __future__ import annotations

import json
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from amkpi.core.language.names import plain

BATCH_ROWS = 50_000
# A longer field or line is a broken file, not a comment. The csv module's own limit of 128 KiB is too small.
MAX_FIELD_CHARS = 16 * 1024 * 1024
MAX_LINE_BYTES = MAX_FIELD_CHARS
# A Jira export has hundreds of columns; no export has thousands.
MAX_COLUMNS = 2_000
# In a zip of several files, the lines of each begin at a multiple of this number.
LINES_OF_A_FILE = 100_000_000
# Each replaces a cell of a workbook whose value cannot be trusted, and says why: no rule accepts it as a value.
ERROR_CELL = "(an error in the workbook)"
# Replaces an id such as 1.23457E+11.
SHORTENED_ID = "(a spreadsheet has shortened this id: format its column as text, and export it again)"
UNSAVED_CELL = "(a formula without a saved value: open the workbook in Excel, save it, and deliver it again)"
MERGED_CELL = "(a merged cell: unmerge it, or declare fill_down in the mapping)"
ROUNDED_CELL = "(a number that the workbook has rounded to 15 digits: export it as text)"
BAD_CELLS = (ERROR_CELL, SHORTENED_ID, UNSAVED_CELL, MERGED_CELL, ROUNDED_CELL)
# The characters that Python's str.isspace counts as white space.
WHITE_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
# Characters that show nothing, as a second byte order mark or a copy from a web page leaves them.
INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_NOT_COMPARED = frozenset(WHITE_SPACE + INVISIBLE + "-_")
# In the metadata of a batch's schema: every cell is in NFC, without white space around it and without a zero byte.
# Without this mark, the writer checks every cell.
TIDY = {b"tidy": b"yes"}


class Unreadable(Exception):
    """The whole file cannot be read as its format. The text tells the person who sent it why, on one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(plain(reason))


# The kind of a cell in a format with types, as one letter of the column `_kinds`.
TEXT, NUMBER, MOMENT, BOOLEAN = "t", "n", "d", "b"
# A number of a workbook that counts days from 1904: as a serial, it is another day.
NUMBER_1904 = "m"
NUMBERS = (NUMBER, NUMBER_1904)


@dataclass
class Tally:
    """What was left out or changed while the rows of a file were read. It is complete after the last batch.

    above: rows above the header, and rows below it that are no data (`skip_after_header`). footer: rows from `stop_at`
    on. filtered: rows that a filter of the mapping excluded. cleaned: cells from which invisible characters were
    removed. saved_zeros: formula cells whose saved value is 0. notes: sentences for the person who reads the result of
    a check or of a load, such as which sheet was taken.
    """

    above: int = 0
    footer: int = 0
    filtered: int = 0
    cleaned: int = 0
    saved_zeros: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the counts and notes of a part of the file."""
        self.above += other.above
        self.footer += other.footer
        self.filtered += other.filtered
        self.cleaned += other.cleaned
        self.saved_zeros += other.saved_zeros
        self.notes += other.notes

    @property
    def skipped(self) -> int:
        """The native rows that are not rows of the extract."""
        return self.above + self.footer + self.filtered


@dataclass(frozen=True)
class TextRows:
    """A file as text.

    header: the names as they arrived, one for each column.
    batches: Arrow tables of the columns `c0` … `c{n-1}` (text as it arrived; null where the format has a null),
        `_line` (int64: the physical line on which the row begins, header = 1; in a format without lines, the number of
        the row; in a zip of several files also the number of the file, see `together`), `_malformed` (bool: more or
        fewer fields than the header; then every `c` is null) and `_row` (the row as it arrived, as JSON: a list of the
        fields of a malformed row, an object for a row that a mapping made, else null because the columns have it). The
        metadata of the schema may be `TIDY`. Iterating raises `Unreadable` if an error is found in the middle of the
        file.
    has_kinds: whether the batches also have `_kinds` (text: the kind of each cell, one letter each; null where all are
        text). Only a format with types gives it, and only if the layout asks for it.
    tally: what was left out, counted while `batches` is read.
    """

    header: tuple[str, ...]
    batches: Iterator[pa.Table]
    has_kinds: bool = False
    tally: Tally = field(default_factory=Tally)


def batch_schema(columns: int, *, has_kinds: bool = False) -> pa.Schema:
    """The schema of a batch with that many columns."""
    fields = [(f"c{i}", pa.string()) for i in range(columns)]
    kinds = [("_kinds", pa.string())] if has_kinds else []
    return pa.schema([*fields, ("_line", pa.int64()), ("_malformed", pa.bool_()), ("_row", pa.string()), *kinds])


def loose(name: str) -> str:
    """A column name as it is compared: in NFC, without case, white space, hyphens, underscores and invisible
    characters."""
    return "".join(ch for ch in unicodedata.normalize("NFC", name).casefold() if ch not in _NOT_COMPARED)


def checked_header(names: Sequence[str]) -> tuple[str, ...]:
    """The header as a tuple. Raises Unreadable for too many columns, or a name that is not valid text."""
    if len(names) > MAX_COLUMNS:
        raise Unreadable(f"has {len(names)} columns, more than {MAX_COLUMNS}: deliver the columns that are needed")
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise Unreadable("the name of a column has half a character (a lone surrogate): rename that column") from error
    return tuple(names)


# pa.array and pa.scalar import pandas to check whether they got one of its objects, which takes a second of every load.
def text_array(cells: Sequence[str | None]) -> pa.Array:
    """The cells as Arrow text. Raises UnicodeEncodeError for half a character."""
    builder = pa.lib.StringBuilder()
    builder.append_values(cells)
    return builder.finish()


def _numbers(numbers: Iterable[int]) -> pa.Array:
    values = array("q", numbers)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def _flags(flags: Iterable[int]) -> pa.Array:
    values = bytes(flags)
    return pa.Array.from_buffers(pa.uint8(), len(values), [None, pa.py_buffer(values)]).cast(pa.bool_())


def batch(
    rows: Sequence[Sequence[str | None]],
    lines: Sequence[int],
    width: int,
    *,
    malformed: Sequence[bool] | None = None,
    kinds: Sequence[str | None] | None = None,
) -> pa.Table:
    """A batch of rows, each with its line. malformed: which rows are; if not given, those without `width` fields.

    kinds: the column `_kinds`, if the batch has it.
    """
    if malformed is None:
        malformed = [len(row) != width for row in rows]
    kept: list[str | None] = [None] * len(rows)
    columns: Sequence[Sequence[str | None]]
    if any(malformed):
        nothing: list[str | None] = [None] * width
        kept = [json.dumps(row, ensure_ascii=False) if bad else None for row, bad in zip(rows, malformed, strict=True)]
        columns = list(zip(*(nothing if bad else row for row, bad in zip(rows, malformed, strict=True)), strict=True))
    else:
        columns = list(zip(*rows, strict=True))
    try:
        arrays = [*map(text_array, columns), _numbers(lines), _flags(malformed), text_array(kept)]
        if kinds is not None:
            arrays.append(text_array(kinds))
    except UnicodeEncodeError as error:
        where = next(line for row, line in zip(rows, lines, strict=True) if _is_broken(row))
        raise Unreadable(f"row {where} has half a character (a lone surrogate): correct that row") from error
    return pa.Table.from_arrays(arrays, schema=batch_schema(width, has_kinds=kinds is not None))


def batch_of_columns(
    columns: Sequence[pa.Array], lines: Iterable[int], *, tidy: bool, kinds: str | None = None
) -> pa.Table:
    """A batch of well-formed rows with their lines. kinds: those of every row, if the batch has them."""
    numbers = _numbers(lines)
    count = len(numbers)
    rest = [numbers, _flags(bytes(count)), pa.nulls(count, pa.string())]
    if kinds is not None:
        rest.append(text_array([kinds] * count))
    schema = batch_schema(len(columns), has_kinds=kinds is not None).with_metadata(TIDY if tidy else None)
    return pa.Table.from_arrays([*columns, *rest], schema=schema)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Puts the name of a file before the reason why it is unreadable."""
    try:
        yield
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from error


def together(parts: Sequence[tuple[str, Callable[[], TextRows]]]) -> TextRows:
    """Several files as one table, in this order; each is given with its name, and opened when it is read.

    The line of a row is the number of its file times 100,000,000 plus the line there: 200000015 is line 15 of the
    second file. A file without a header has no rows. Raises Unreadable if the columns differ by more than their order.
    """
    tally = Tally()
    headers = {}
    has_kinds = False
    for number, (name, opened) in enumerate(parts, 1):
        rows = opened()
        has_kinds = has_kinds or rows.has_kinds
        if rows.header:
            headers[number] = rows.header
        tally.notes.append(f"file {number} is {name}: its line 15 is {number * LINES_OF_A_FILE + 15}")
    if not headers:
        return TextRows((), iter(()), tally=tally)
    first, *_ = headers.values()
    orders = {number: _order(first, header, parts[number - 1][0]) for number, header in headers.items()}
    chosen = [(number, *parts[number - 1], order) for number, order in orders.items()]
    return TextRows(first, _one_after_another(chosen, tally, has_kinds=has_kinds), has_kinds=has_kinds, tally=tally)


def _order(first: Sequence[str], header: Sequence[str], name: str) -> list[int]:
    """The place of each column of the first header in another one. Raises Unreadable."""
    wanted, found = [list(map(loose, names)) for names in (first, header)]
    if wanted == found:
        return list(range(len(found)))
    if sorted(wanted) != sorted(found) or len(set(found)) < len(found):
        lacked = ", ".join(title for title, name in zip(first, wanted, strict=True) if name not in found)
        more = ", ".join(title for title, name in zip(header, found, strict=True) if name not in wanted)
        what = (
            "; ".join(text for text in (lacked and f"it lacks {lacked}", more and f"only it has {more}") if text)
            or "it has columns of the same name in another order"
        )
        raise Unreadable(f"the files of the zip have different columns: {name}: {what}: deliver them one by one")
    return [found.index(each) for each in wanted]


def _one_after_another(
    parts: Sequence[tuple[int, str, Callable[[], TextRows], list[int]]], tally: Tally, *, has_kinds: bool
) -> Iterator[pa.Table]:
    for number, name, opened, order in parts:
        with naming(name):
            rows = opened()
            for each in rows.batches:
                yield _of_part(each, number, order, has_kinds=has_kinds)
        tally.add(rows.tally)


def _of_part(part: pa.Table, number: int, order: Sequence[int], *, has_kinds: bool) -> pa.Table:
    lines = part.column("_line").combine_chunks().to_numpy()
    if len(lines) and lines[-1] >= LINES_OF_A_FILE:
        raise Unreadable(f"it has more than {LINES_OF_A_FILE} lines: deliver it without others in the zip")
    columns = [part.column(f"c{place}").combine_chunks() for place in order]
    rest = [
        _numbers(int(line) + number * LINES_OF_A_FILE for line in lines),
        part.column("_malformed").combine_chunks(),
        part.column("_row").combine_chunks(),
    ]
    if has_kinds:
        kinds = part.column("_kinds").to_pylist() if "_kinds" in part.column_names else [None] * len(lines)
        rest.append(text_array([each and "".join(each[place] for place in order) for each in kinds]))
    schema = batch_schema(len(order), has_kinds=has_kinds).with_metadata(part.schema.metadata)
    return pa.Table.from_arrays([*columns, *rest], schema=schema)


def looks_like_the_header(rows: Sequence[Sequence[str | None]], known: frozenset[str]) -> int | None:
    """The place of the header among these rows; None if the first row has a known column, or no row looks like one."""

    def named(row: Sequence[str | None]) -> int:
        return len({loose(cell) for cell in row if cell} & known)

    if not rows or not known or named(rows[0]) > 0:
        return None
    return next((place for place, row in enumerate(rows) if named(row) >= min(2, len(known))), None)


def _is_broken(row: Sequence[str | None]) -> bool:
    return any("\ud800" <= ch <= "\udfff" for cell in row if cell for ch in cell)
