"""JSON: an array of objects, or one object on each line. The file is read twice: for the keys, then for the rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amkpi.ingestion.readers.decompression import DEFAULT_LIMIT, Member, text_chunks
from amkpi.ingestion.readers.layout import CANONICAL, Layout
from amkpi.ingestion.readers.record_batches import (
    BATCH_ROWS,
    BOOLEAN,
    MAX_FIELD_CHARS,
    NUMBER,
    TEXT,
    Tally,
    TextRows,
    Unreadable,
    checked_header,
)
from amkpi.ingestion.readers.table_rows import Row, batches, data_rows

_SPACE = " \t\n\r"
# Objects within objects give columns down to this depth; deeper ones are JSON text.
_DEEPEST = 8
_MOST_NAMED = 20
_MARK = re.compile(r'["\[\]{}]')
_END_OF_TEXT = re.compile(r'["\\]')
_AFTER_PLAIN = re.compile(r"[\s,\]}]")


def read_json(
    path: Path | Member, encoding: str, limit: int = DEFAULT_LIMIT, layout: Layout = CANONICAL, *, by_line: bool
) -> TextRows:
    """Open JSON: an array of objects, or with `by_line` an object on each line.

    The header has every key of any object, in the order of their first appearance; an object without a key has an empty
    cell there. In a native file the keys of nested objects are columns too (`properties.dealname`). Numbers stay as
    written, nested values become JSON text. An element that is not an object is a malformed row. layout: the keys that
    lead to the array, and whether the file is native. Raises `Unreadable`.
    """
    if layout.skip_after_header:
        raise Unreadable("skip_after_header: JSON has no header: remove it from the mapping")
    if by_line and layout.records:
        raise Unreadable("records: each line of this file is a row already: remove it from the mapping")

    def elements() -> Iterator[tuple[int, Any]]:
        chunks = text_chunks(path, encoding, limit)
        found = _by_line(chunks) if by_line else _of_document(chunks, layout)
        return ((number, _flat(number, each)) for number, each in found) if layout.native else found

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
    tally = Tally()
    rows = data_rows(_rows(elements(), names), names, layout, tally) if count else iter(())
    return TextRows(names, batches(rows, len(names), has_kinds=layout.native), has_kinds=layout.native, tally=tally)


def _rows(elements: Iterator[tuple[int, Any]], names: tuple[str, ...]) -> Iterator[Row]:
    for line, element in elements:
        if isinstance(element, dict):
            values = [element.get(name) for name in names]
            yield Row(line, [_cell(value) for value in values], kinds="".join(map(_kind, values)))
        else:
            yield Row(line, [_cell(element), *[None] * len(names)], fits=False)


def _flat(number: int, element: Any) -> Any:
    """An object with the keys of its nested objects too. Raises Unreadable if two have the same name."""
    if not isinstance(element, dict) or not any(isinstance(value, dict) for value in element.values()):
        return element
    pairs = list(_pairs(element, "", _DEEPEST))
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(f"row {number} has the key {twice} twice: once as it is, and once in a nested object")
    return found


def _pairs(element: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in element.items():
        yield prefix + key, value
        if isinstance(value, dict) and depth:
            yield from _pairs(value, f"{prefix}{key}.", depth - 1)


class _Number(str):
    """A number as it is written in JSON."""

    __slots__ = ()


def _kind(value: Any) -> str:
    if isinstance(value, _Number):
        return NUMBER
    return BOOLEAN if isinstance(value, bool) else TEXT


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


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_Number, parse_float=_Number, parse_constant=_Number)


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


def _of_document(chunks: Iterator[str], layout: Layout) -> Iterator[tuple[int, Any]]:
    """The elements of the array that the keys `layout.records` lead to; of the whole document if there are none."""
    text = _Text(chunks)
    first = text.peek()
    if not first:
        return
    if not layout.records and first != "[":
        raise Unreadable(f"not readable as JSON: it is not an array of objects{_hint(text) if first == '{' else ''}")
    for depth, key in enumerate(layout.records):
        _go_to(text, key, ".".join(layout.records[:depth]) or "the document")
    if text.peek() != "[":
        raise Unreadable(f"records: {'.'.join(layout.records)} is no list of rows: name the key that has it")
    number = 0
    text.skip()
    if text.peek() == "]":
        text.skip()
    else:
        while True:
            number += 1
            yield number, text.value(f"row {number}")
            mark = text.peek()
            text.skip()
            if mark == "]":
                break
            if mark != ",":
                raise Unreadable(f"not readable as JSON: after row {number} comes {mark or 'the end'!r}, not , or ]")
    for key in reversed(layout.records):
        if any(name == key for name in text.further_members()):
            raise Unreadable(f"an object has the key {key} twice")
    if text.peek():
        raise Unreadable(f"not readable as JSON: there is text after the array, after row {number}")


def _go_to(text: _Text, key: str, where: str) -> None:
    """Go to the value of a key of the object that begins here. Raises Unreadable."""
    if text.peek() != "{":
        raise Unreadable(f"records: {where} is no object, so it has no key {key}: correct records in the mapping")
    found = []
    for name in text.members():
        if name == key:
            return
        found.append(name)
    raise Unreadable(f"records: {where} lacks the key {key}; it has: {', '.join(found[:_MOST_NAMED])}")


def _hint(text: _Text) -> str:
    """How to read a document that is an object."""
    lists = list(text.members(of="["))
    if lists and not text.peek():
        return f": name the key that has the rows in a mapping, such as records: {lists[0]}"
    return ": if there is one object on each line, rename the file to end in .ndjson"


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

    def members(self, of: str = "") -> Iterator[str]:
        """The keys of the object that begins here. When one is given, its value is next; if it is not read, it is
        skipped. of: only the keys whose value begins with this character."""
        self.skip()
        if self.peek() == "}":
            self.skip()
            return
        yield from self._rest_of_members(of)

    def further_members(self) -> Iterator[str]:
        """The keys after a value that was read, to the end of the object."""
        if self._another():
            yield from self._rest_of_members("")

    def _rest_of_members(self, of: str) -> Iterator[str]:
        while True:
            name = self.value("a key")
            if type(name) is not str or self.peek() != ":":
                raise Unreadable("not readable as JSON: an object has a key without a value")
            self.skip()
            if self.peek().startswith(of):
                yield name
            self._skip_value()
            if not self._another():
                return

    def _another(self) -> bool:
        mark = self.peek()
        self.skip()
        if mark not in (",", "}"):
            raise Unreadable(f"not readable as JSON: in an object comes {mark or 'the end'!r}, not , or }}")
        return mark == ","

    def _skip_value(self) -> None:
        """Go to the end of the value that begins here, however long it is."""
        depth = 0
        while True:
            mark = self.peek()
            if mark == '"':
                self._skip_text()
            elif mark in ("[", "{", "]", "}"):
                depth += 1 if mark in "[{" else -1
                self.skip()
            else:
                self._go_on(_AFTER_PLAIN)
            if depth <= 0:
                return
            self._go_on(_MARK)

    def _skip_text(self) -> None:
        self.skip()
        while self._go_on(_END_OF_TEXT) == "\\":
            self.skip()
            # The character after it may be in the next chunk.
            if self._place < len(self._text) or self._more():
                self.skip()
        self.skip()

    def _go_on(self, pattern: re.Pattern[str]) -> str:
        """Go to the next character of the pattern, and return it. Raises Unreadable at the end of the text."""
        while (found := pattern.search(self._text, self._place)) is None:
            self._place = len(self._text)
            if not self._more():
                raise Unreadable("not readable as JSON: it is cut off; deliver it again")
        self._place = found.start()
        return found[0]

    def value(self, what: str) -> Any:
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
                    raise Unreadable(f"not readable as JSON: {what} is broken or too long: {error}") from error
                if not self._more():
                    raise Unreadable(f"not readable as JSON: {what}: {error}") from error
                while len(self._text) - self._place < wanted and self._more():
                    pass
            except RecursionError as error:
                raise Unreadable(f"not readable as JSON: {what} is nested too deeply") from error

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._text = self._text[self._place :] + chunk
        self._place = 0
        return True
