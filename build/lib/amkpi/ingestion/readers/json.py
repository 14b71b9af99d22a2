"""JSON: an array of objects, or one object on each line. The file is read twice: for the keys, then for the rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from amkpi.ingestion.readers.decompression import DEFAULT_LIMIT, text_chunks
from amkpi.ingestion.readers.record_batches import (
    BATCH_ROWS,
    MAX_FIELD_CHARS,
    TextRows,
    Unreadable,
    batch,
    checked_header,
)

_SPACE = " \t\n\r"
# A batch of long texts ends before this many characters.
_BATCH_CHARS = 8 << 20


def read_json(path: Path, encoding: str, limit: int = DEFAULT_LIMIT, *, by_line: bool) -> TextRows:
    """Open JSON: an array of objects, or with `by_line` an object on each line.

    The header has every key of any object, in the order of their first appearance; an object without a key has an empty
    cell there. Numbers stay as written, nested values become JSON text. An element that is not an object is a malformed
    row. Raises `Unreadable`.
    """

    def elements() -> Iterator[tuple[int, Any]]:
        chunks = text_chunks(path, encoding, limit)
        return _by_line(chunks) if by_line else _of_array(chunks)

    header: dict[str, None] = {}
    count = 0
    for _, element in elements():
        count += 1
        if isinstance(element, dict):
            header.update(dict.fromkeys(element))
            if len(header) > BATCH_ROWS:
                break  # checked_header raises the error
    names = checked_header(tuple(header))
    if count and not names:
        raise Unreadable("not readable as extract: none of its rows is an object with keys")
    return TextRows(names, _batches(elements(), names) if count else iter(()))


def _batches(elements: Iterable[tuple[int, Any]], names: tuple[str, ...]) -> Iterator[pa.Table]:
    rows: list[list[str | None]] = []
    lines: list[int] = []
    size = 0
    for line, element in elements:
        if isinstance(element, dict):
            row = [_cell(element.get(name)) for name in names]
        else:
            row = [_cell(element), *[None] * len(names)]
        rows.append(row)
        lines.append(line)
        size += sum(len(cell) for cell in row if cell)
        if len(rows) == BATCH_ROWS or size > _BATCH_CHARS:
            yield batch(rows, lines, len(names))
            rows, lines, size = [], [], 0
    if rows:
        yield batch(rows, lines, len(names))


def _cell(value: Any) -> str | None:
    """A value as text; numbers come as text already."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(f"an object has the key {twice} twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=str)


def _by_line(chunks: Iterator[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_lines(chunks), 1):
        text = line.strip(_SPACE)
        if text:
            try:
                yield number, _DECODER.decode(text)
            except ValueError as error:
                raise Unreadable(f"not readable as JSON: line {number}: {error}") from error
            except RecursionError as error:
                raise Unreadable(f"not readable as JSON: line {number} is nested too deeply") from error


def _lines(chunks: Iterator[str]) -> Iterator[str]:
    rest = ""
    for chunk in chunks:
        # After a \r at the end of a chunk, the \n may follow in the next chunk.
        lines = (rest + chunk).replace("\r\n", "\n").split("\n")
        rest = lines.pop()
        yield from lines
        if len(rest) > MAX_FIELD_CHARS:
            raise Unreadable(f"not readable as JSON: it has a line of more than {MAX_FIELD_CHARS >> 20} Mi characters")
    if rest:
        yield rest


def _of_array(chunks: Iterator[str]) -> Iterator[tuple[int, Any]]:
    text = _Text(chunks)
    first = text.peek()
    if not first:
        return
    if first != "[":
        hint = ": if there is one object on each line, rename the file to end in .ndjson" if first == "{" else ""
        raise Unreadable(f"not readable as JSON: it is not an array of objects{hint}")
    text.skip()
    number = 0
    if text.peek() == "]":
        text.skip()
    else:
        while True:
            number += 1
            yield number, text.value(number)
            mark = text.peek()
            text.skip()
            if mark == "]":
                break
            if mark != ",":
                raise Unreadable(f"not readable as JSON: after row {number} comes {mark or 'the end'!r}, not , or ]")
    if text.peek():
        raise Unreadable(f"not readable as JSON: there is text after the array, after row {number}")


class _Text:
    """The text that was read and not parsed yet."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self._text = ""
        self._place = 0

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            while self._place < len(self._text):
                ch = self._text[self._place]
                if ch not in _SPACE:
                    return ch
                self._place += 1
            if not self._more():
                return ""

    def skip(self) -> None:
        self._place += 1

    def value(self, number: int) -> Any:
        """The value that begins here. Reads on, twice as far each time, until the value is complete."""
        self.peek()
        while True:
            wanted = 2 * (len(self._text) - self._place)
            try:
                value, end = _DECODER.raw_decode(self._text, self._place)
                # A number at the end of the text may continue in the next chunk.
                if end < len(self._text) or not self._more():
                    self._place = end
                    return value
            except ValueError as error:
                if wanted > 2 * MAX_FIELD_CHARS:
                    raise Unreadable(f"not readable as JSON: row {number} is broken or too long: {error}") from error
                if not self._more():
                    raise Unreadable(f"not readable as JSON: row {number}: {error}") from error
                while len(self._text) - self._place < wanted and self._more():
                    pass
            except RecursionError as error:
                raise Unreadable(f"not readable as JSON: row {number} is nested too deeply") from error

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._text = self._text[self._place :] + chunk
        self._place = 0
        return True
