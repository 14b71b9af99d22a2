"""A first pass over a workbook (.xlsx): whether it is safe to open, and the cells whose value cannot be trusted.

A workbook is a zip of XML. Its content is scanned first, because the library that reads it would fill the memory with
the decompressed content of a hostile one. The library returns a cell with an error, and a formula whose value was never
saved, as empty: the scan finds these cells.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from array import array
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from amkpi.ingestion.readers.decompression import CHUNK
from amkpi.ingestion.readers.record_batches import Unreadable

# What is wrong with a cell.
ERROR, UNSAVED, SAVED_ZERO = range(3)

_MOST_PARTS = 10_000
_MOST_MARKS = 10_000_000
# The library keeps a sheet as a rectangle from its first filled cell to its last, with 32 bytes for each cell.
_MOST_CELLS = 64_000_000
_SPARSE_CELLS = 1_000_000
_SPARSEST = 50
_PLACE = re.compile(rb"""[\s]r\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_ERROR_CELL = re.compile(rb"""<(?:\w+:)?c(\s[^>]{0,200}?\bt\s*=\s*["']e["'][^>]{0,200})>""")
# A cell with a formula, up to the formula; it comes before the value.
_FORMULA_CELL = re.compile(rb"<(?:\w+:)?c(\s[^>]{0,200})>\s*<(?:\w+:)?f(?=[\s/>])")
_END_OF_CELL = re.compile(rb"</(?:\w+:)?c\s*>")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?(?:/>|>([^<]*)<)")
_TYPE = re.compile(rb"""\st\s*=\s*["'](\w+)["']""")
_SHEET = re.compile(rb"""<(?:\w+:)?sheet\s[^>]*?\b\w+:id\s*=\s*["']([^"']*)["']""")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s([^>]*)>")
_ATTRIBUTE = re.compile(rb"""(\w+)\s*=\s*["']([^"']*)["']""")
# Of the part that names the sheets, in bytes.
_LONGEST_LIST = 1 << 20
_OVERLAP = 512
# The longest formula of Excel has 8192 characters, each of at most 6 bytes in XML.
_FORMULA_OVERLAP = 1 << 16


class Marks:
    """The cells of one sheet with a mark, as packed numbers in the order of their rows."""

    def __init__(self, packed: Sequence[int] = ()) -> None:
        self._packed = sorted(set(packed))
        self._next = 0

    def of_row(self, row: int) -> Mapping[int, int]:
        """The marks of a row by their columns, both from 1. Rows must be asked for in ascending order."""
        found = {}
        while self._next < len(self._packed) and self._packed[self._next] >> 20 <= row:
            packed = self._packed[self._next]
            if packed >> 20 == row:
                found[packed >> 2 & 0x3FFFF] = packed & 3
            self._next += 1
        return found

    def __len__(self) -> int:
        return len(self._packed)

    def again(self) -> Marks:
        """The same marks, to be asked for from the first row."""
        other = Marks()
        other._packed = self._packed
        return other


def broken(error: BaseException, kind: str = "XLSX") -> str:
    """The reason for a workbook that cannot be read."""
    return f"not readable as {kind}: {' '.join(str(error).split())[:300]}"


def scan(file: BinaryIO, limit: int) -> list[Marks]:
    """Decompress every part once, in chunks, without keeping it. Raises Unreadable if it must not be opened.

    limit: of the decompressed size, in bytes. Returns the marked cells of each sheet, in the order of the workbook.
    """
    size = 0
    marks: dict[str, Marks] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if len(parts) > _MOST_PARTS:
                raise Unreadable(f"not readable as XLSX: it has {len(parts)} parts, too many for a workbook")
            if not any(part.filename == "[Content_Types].xml" for part in parts):
                raise Unreadable("not readable as XLSX: it is a zip, but not of a workbook")
            for part in parts:
                sheet = _Sheet() if part.filename.startswith("xl/worksheets/") else None
                with archive.open(part) as content:
                    tail = b""
                    while piece := content.read(CHUNK):
                        size += len(piece)
                        if size > limit:
                            raise Unreadable(
                                f"decompresses to more than {limit} bytes: deliver it as CSV, or raise the setting"
                                " max_unpacked_bytes"
                            )
                        seen = tail + piece
                        # No spreadsheet program writes these. They are used to expand a file, or to read other files.
                        if b"<!DOCTYPE" in seen or b"<!ENTITY" in seen:
                            raise Unreadable(
                                "not readable as XLSX: it declares entities, which no spreadsheet needs; save it again"
                            )
                        if sheet is not None:
                            sheet.add(seen, piece)
                        tail = seen[-_OVERLAP:]
                if sheet is not None:
                    sheet.check()
                    marks[part.filename] = Marks(sheet.marks)
            return [marks.get(name, Marks()) for name in _sheet_parts(archive)] if any(marks.values()) else []
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, LookupError, ValueError, RuntimeError) as error:
        # RuntimeError: the parts are encrypted, or compressed by an unknown method.
        raise Unreadable(broken(error)) from error


def _sheet_parts(archive: zipfile.ZipFile) -> list[str]:
    """The names of the parts with the sheets, in the order of the workbook."""
    with archive.open("xl/workbook.xml") as file:
        sheets = _SHEET.findall(file.read(_LONGEST_LIST))
    with archive.open("xl/_rels/workbook.xml.rels") as file:
        relations = _RELATION.findall(file.read(_LONGEST_LIST))
    targets = {}
    for relation in relations:
        found = dict(_ATTRIBUTE.findall(relation))
        target = found.get(b"Target", b"").decode()
        targets[found.get(b"Id")] = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    return [targets.get(identity, "") for identity in sheets]


def _column_number(letters: bytes) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + letter - 64
    return column


class _Sheet:
    """The rectangle of the cells of a sheet, their number, and the marked ones."""

    def __init__(self) -> None:
        self.marks = array("Q")
        self.cells = 0
        self.rows = (1 << 30, 0)
        self.columns = (1 << 30, 0)
        self._tail = b""

    def add(self, xml: bytes, new: bytes) -> None:
        """The next bytes of the sheet: new, and in xml with the last bytes before them."""
        for letters, digits in _PLACE.findall(xml):
            column, row = _column_number(letters), int(digits)
            self.cells += 1
            self.rows = (min(self.rows[0], row), max(self.rows[1], row))
            self.columns = (min(self.columns[0], column), max(self.columns[1], column))
        for attributes in _ERROR_CELL.findall(xml):
            self._mark(attributes, ERROR)
        longer = self._tail + new
        for formula in _FORMULA_CELL.finditer(longer):
            end = _END_OF_CELL.search(longer, formula.end())
            if end is not None:
                self._add_formula(formula[1], longer[formula.end() : end.start()])
        self._tail = longer[-_FORMULA_OVERLAP:]

    def _add_formula(self, attributes: bytes, rest: bytes) -> None:
        found = _TYPE.search(attributes)
        kind = found[1] if found else b"n"
        value = _VALUE.search(rest)
        text = (value[1] or b"").strip() if value else b""
        if not text and (kind != b"str" or value is None):
            self._mark(attributes, UNSAVED)
        elif kind == b"n" and text and not text.strip(b"-0."):
            self._mark(attributes, SAVED_ZERO)

    def _mark(self, attributes: bytes, mark: int) -> None:
        for letters, digits in _PLACE.findall(attributes):
            self.marks.append(int(digits) << 20 | _column_number(letters) << 2 | mark)
        if len(self.marks) > _MOST_MARKS:
            raise Unreadable(
                f"more than {_MOST_MARKS} cells of a sheet are formulas without a value: save it in Excel, or deliver"
                " it as CSV"
            )

    def check(self) -> None:
        """Raise Unreadable if the sheet would fill the memory."""
        if not self.cells:
            return
        area = (self.rows[1] - self.rows[0] + 1) * (self.columns[1] - self.columns[0] + 1)
        if area > _MOST_CELLS or area > max(_SPARSE_CELLS, _SPARSEST * self.cells):
            raise Unreadable(
                f"its sheet reaches to row {self.rows[1]} and column {self.columns[1]}, though only {self.cells} cells"
                " are filled: copy the table into a new workbook, or deliver it as CSV"
            )
