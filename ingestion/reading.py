"""Reading a delivered file as text: rows of fields with their physical lines, nothing judged yet.

A reader gives `TextRows`: the header and batches of Arrow tables. What a row means (types, rules, keys) is
decided in `ingestion.judging`; here a file is only readable or not.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

BATCH_ROWS = 50_000
DELIMITERS = (",", ";", "\t", "|")
# csv's own limit is 128 KiB a field; a field beyond this is a broken file, not a comment.
MAX_FIELD_CHARS = 16 * 1024 * 1024


class Unreadable(Exception):
    """The whole file cannot be read as its format. The text says why, for the person who sent it."""


@dataclass(frozen=True)
class TextRows:
    """A file as text.

    header: the names as they came, one a column.
    batches: Arrow tables of the columns `c0` … `c{n-1}` (text as it came; null where the format has a null),
        `_line` (int64: the physical line on which the row begins, header = 1), `_malformed` (bool: more or fewer
        fields than the header; then every `c` is null) and `_row` (JSON of the row as it came: a list of the fields
        of a malformed row, an object for a row that a mapping made, else null because the columns say it).
        Iterating raises `Unreadable` when the file breaks off half way.
    """

    header: tuple[str, ...]
    batches: Iterator[pa.Table]


def batch_schema(columns: int) -> pa.Schema:
    """The schema of a batch with that many columns."""
    fields = [(f"c{i}", pa.string()) for i in range(columns)]
    return pa.schema([*fields, ("_line", pa.int64()), ("_malformed", pa.bool_()), ("_row", pa.string())])


@dataclass(frozen=True)
class Content:
    """What one pass over a file's bytes tells."""

    sha256: str
    size: int
    encoding: str


def examine(path: Path) -> Content:
    """Hash the file and find its text encoding in one pass.

    UTF-8 with or without BOM, UTF-16 with BOM, else windows-1258 (a Vietnamese Excel's "CSV"): every byte string is
    some windows-1258, so that comes last.
    """
    digest = hashlib.sha256()
    utf8 = codecs.getincrementaldecoder("utf-8")()
    size, encoding = 0, "utf-8-sig"
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            if size == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                encoding = "utf-16"
            digest.update(chunk)
            size += len(chunk)
            if encoding == "utf-8-sig":
                try:
                    utf8.decode(chunk)
                except UnicodeDecodeError:
                    encoding = "cp1258"
    if encoding == "utf-8-sig":
        try:
            utf8.decode(b"", final=True)
        except UnicodeDecodeError:
            encoding = "cp1258"
    return Content(digest.hexdigest(), size, encoding)


def loose(name: str) -> str:
    """A header name as it is matched: without case, outer spaces, and space, hyphen or underscore."""
    return "".join(ch for ch in name.strip().casefold() if ch not in " -_\u00a0")


def read_csv(path: Path, encoding: str, known: frozenset[str]) -> TextRows:
    """Open a delimited text file.

    known: loosely matched names that the caller looks for; the delimiter is the one whose header shows most of them.
    An empty file has an empty header. Raises `Unreadable`.
    """
    file = path.open("r", encoding=encoding, newline="")
    try:
        delimiter = _delimiter(file, known)
        file.seek(0)
        csv.field_size_limit(MAX_FIELD_CHARS)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header: tuple[str, ...] = ()
        for row in reader:
            if row:
                header = tuple(row)
                break
    except (csv.Error, UnicodeError) as error:
        file.close()
        raise Unreadable(f"not readable as CSV: {error}") from error
    return TextRows(header, _csv_batches(file, reader, len(header)))


def _delimiter(file: IO[str], known: frozenset[str]) -> str:
    first = ""
    for line in file:
        if line.strip("\r\n"):
            first = line
            break
    found = {}
    for delimiter in DELIMITERS:
        names = next(csv.reader([first], delimiter=delimiter), [])
        found[delimiter] = (len({loose(name) for name in names} & known), len(names))
    return max(DELIMITERS, key=lambda delimiter: found[delimiter])


def _csv_batches(file: IO[str], reader: Iterator[list[str]], width: int) -> Iterator[pa.Table]:
    # csv's line_num counts lines read, so a row with quoted newlines begins one after the row before it ended.
    rows: list[list[str]] = []
    lines: list[int] = []
    before = reader.line_num  # type: ignore[attr-defined]
    with file:
        try:
            for row in reader:
                if row:  # a wholly empty line is no row
                    rows.append(row)
                    lines.append(before + 1)
                before = reader.line_num  # type: ignore[attr-defined]
                if len(rows) == BATCH_ROWS:
                    yield _batch(rows, lines, width)
                    rows, lines = [], []
        except (csv.Error, UnicodeError) as error:
            raise Unreadable(f"not readable as CSV: line {before + 1} and what follows: {error}") from error
    if rows:
        yield _batch(rows, lines, width)


def _batch(rows: list[list[str]], lines: list[int], width: int) -> pa.Table:
    malformed = [len(row) != width for row in rows]
    kept: list[str | None] = [None] * len(rows)
    if any(malformed):
        nothing: list[str | None] = [None] * width
        kept = [json.dumps(row, ensure_ascii=False) if bad else None for row, bad in zip(rows, malformed, strict=True)]
        columns = list(zip(*(nothing if bad else row for row, bad in zip(rows, malformed, strict=True)), strict=True))
    else:
        columns = list(zip(*rows, strict=True))
    arrays = [pa.array(column, pa.string()) for column in columns]
    arrays += [pa.array(lines, pa.int64()), pa.array(malformed, pa.bool_()), pa.array(kept, pa.string())]
    return pa.Table.from_arrays(arrays, schema=batch_schema(width))
