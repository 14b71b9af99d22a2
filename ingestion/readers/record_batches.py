"""Rows of text: what every reader gives, whatever the format, and what none of them lets through."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

BATCH_ROWS = 50_000
# A field or line beyond this is a broken file, not a comment; csv's own limit of 128 KiB is too small for some.
MAX_FIELD_CHARS = 16 * 1024 * 1024
MAX_LINE_BYTES = MAX_FIELD_CHARS
# A Jira export has hundreds of columns; none has thousands.
MAX_COLUMNS = 2_000
# What stands in the place of a cell that holds an error instead of a value (#N/A): no rule takes it for one.
ERROR_CELL = "(an error in the workbook)"
# Marks that show nothing, which a tool that writes two byte order marks or a copy from a web page leaves in a name.
_INVISIBLE = "\ufeff\u200b"
# What Python's str.isspace calls white space.
WHITE_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
# In the metadata of a batch's schema: each cell is in NFC, without white space around it and without a zero byte. It
# may be left out; loading then looks at each cell.
TIDY = {b"tidy": b"yes"}


class Unreadable(Exception):
    """The whole file cannot be read as its format. The text says why, for the person who sent it."""


@dataclass(frozen=True)
class TextRows:
    """A file as text.

    header: the names as they came, one a column.
    batches: Arrow tables of the columns `c0` … `c{n-1}` (text as it came; null where the format has a null),
        `_line` (int64: the physical line on which the row begins, header = 1; where a format has no lines, the row's
        number), `_malformed` (bool: more or fewer fields than the header; then every `c` is null) and `_row` (JSON of
        the row as it came: a list of the fields of a malformed row, an object for a row that a mapping made, else null
        because the columns say it). Its schema's metadata may be `TIDY`. Iterating raises `Unreadable` when the file
        breaks off half way.
    """

    header: tuple[str, ...]
    batches: Iterator[pa.Table]


def batch_schema(columns: int) -> pa.Schema:
    """The schema of a batch with that many columns."""
    fields = [(f"c{i}", pa.string()) for i in range(columns)]
    return pa.schema([*fields, ("_line", pa.int64()), ("_malformed", pa.bool_()), ("_row", pa.string())])


def loose(name: str) -> str:
    """A header name as it is matched: without case, outer spaces, and space, hyphen or underscore."""
    return "".join(ch for ch in name.strip().casefold() if ch not in " -_\u00a0" + _INVISIBLE)


def checked_header(names: Sequence[str]) -> tuple[str, ...]:
    """The header, if it can be one. Raises Unreadable."""
    if len(names) > MAX_COLUMNS:
        raise Unreadable(f"has {len(names)} columns, more than {MAX_COLUMNS}: deliver the columns that are needed")
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise Unreadable("a column's name holds half a character (a lone surrogate): name it anew") from error
    return tuple(names)


# Arrow's own way from a list, pa.array, and pa.scalar too, import pandas to ask whether it is one of its objects: a
# second of every load.
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


def batch(rows: Sequence[Sequence[str | None]], lines: Sequence[int], width: int) -> pa.Table:
    """A batch of rows that each come with their line; rows that have not `width` fields are malformed."""
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
    except UnicodeEncodeError as error:
        where = next(line for row, line in zip(rows, lines, strict=True) if _is_broken(row))
        raise Unreadable(f"row {where} holds half a character (a lone surrogate): mend that row") from error
    return pa.Table.from_arrays(arrays, schema=batch_schema(width))


def batch_of_columns(columns: Sequence[pa.Array], lines: Iterable[int], *, tidy: bool) -> pa.Table:
    """A batch of well-formed rows with their lines."""
    numbers = _numbers(lines)
    count = len(numbers)
    rest = [numbers, _flags(bytes(count)), pa.nulls(count, pa.string())]
    schema = batch_schema(len(columns)).with_metadata(TIDY if tidy else None)
    return pa.Table.from_arrays([*columns, *rest], schema=schema)


def looks_like_the_header(rows: Sequence[Sequence[str | None]], known: frozenset[str]) -> int | None:
    """The place of the first of these rows that names columns, where the first row names none of them."""

    def named(row: Sequence[str | None]) -> int:
        return len({loose(cell) for cell in row if cell} & known)

    if not rows or named(rows[0]) > 0:
        return None
    return next((place for place, row in enumerate(rows) if named(row) >= min(2, len(known))), None)


def _is_broken(row: Sequence[str | None]) -> bool:
    return any("\ud800" <= ch <= "\udfff" for cell in row if cell for ch in cell)
