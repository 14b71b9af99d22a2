"""Excel workbooks (.xlsx): the first sheet, each cell as the text that a person would write for it.

A workbook is a zip of XML. Its content is scanned first, because the library that reads it would fill the memory with
the decompressed content of a hostile one. Links to other files are never followed: the value that Excel saved counts.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import python_calamine as calamine

from amkpi.ingestion.readers.decompression import CHUNK, DEFAULT_LIMIT
from amkpi.ingestion.readers.record_batches import (
    BATCH_ROWS,
    ERROR_CELL,
    TextRows,
    Unreadable,
    batch,
    checked_header,
    looks_like_the_header,
)

_MOST_PARTS = 10_000
# The library keeps a sheet as a rectangle from its first filled cell to its last, with 32 bytes for each cell.
_MOST_CELLS = 64_000_000
_SPARSE_CELLS = 1_000_000
_SPARSEST = 50
_PLACE = re.compile(rb"""[\s]r\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_ERROR_CELL = re.compile(rb"""<(?:\w+:)?c(\s[^>]{0,200}?\bt\s*=\s*["']e["'][^>]{0,200})>""")
_SHEET = re.compile(rb"""<(?:\w+:)?sheet\s[^>]*?\b\w+:id\s*=\s*["']([^"']*)["']""")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s([^>]*)>")
_ATTRIBUTE = re.compile(rb"""(\w+)\s*=\s*["']([^"']*)["']""")
_OVERLAP = 512
_SEARCHED_ROWS = 20


def read_xlsx(path: Path, known: frozenset[str], limit: int = DEFAULT_LIMIT) -> TextRows:
    """Open the first visible sheet of a workbook; the line of a row is its number in the sheet.

    known: the names of the columns that the caller looks for, as `loose` gives them. limit: of the decompressed size,
    in bytes. Raises `Unreadable`.
    """
    rows = _rows(path, _scan(path, limit))
    first: list[tuple[int, list[str]]] = []
    for each in rows:
        first.append(each)
        if len(first) == _SEARCHED_ROWS:
            break
    if not first:
        return TextRows((), iter(()))
    place = looks_like_the_header([row for _, row in first], known)
    if place is not None:
        raise Unreadable(
            f"the header is in row {first[place][0]} of the sheet, below other rows: delete the rows above it"
        )
    header = list(first[0][1])
    while header and not header[-1].strip():
        header.pop()
    names = checked_header(header)
    return TextRows(names, _batches(first[1:], rows, len(names)))


def _batches(
    first: Sequence[tuple[int, list[str]]], rest: Iterator[tuple[int, list[str]]], width: int
) -> Iterator[pa.Table]:
    taken: list[list[str]] = []
    lines: list[int] = []

    def all_rows() -> Iterator[tuple[int, list[str]]]:
        yield from first
        yield from rest

    for line, row in all_rows():
        # A sheet is as wide as its widest row: only a filled cell to the right of the header is a field too many.
        end = len(row)
        while end > width and not row[end - 1].strip():
            end -= 1
        taken.append(row[:end] + [""] * (width - end))
        lines.append(line)
        if len(taken) == BATCH_ROWS:
            yield batch(taken, lines, width)
            taken, lines = [], []
    if taken:
        yield batch(taken, lines, width)


def _rows(path: Path, failed: Sequence[frozenset[tuple[int, int]]]) -> Iterator[tuple[int, list[str]]]:
    """The row number and the cells of each row that is not empty.

    failed: for each sheet, the row and column of the cells with an error; the library returns them as empty.
    """
    # A panic of the library is not an Exception. A hostile file causes one; that must not stop the program.
    try:
        with path.open("rb") as file, calamine.load_workbook(file) as workbook:
            place, *others = _sheets(workbook)
            sheet = workbook.get_sheet_by_index(place)
            if sheet.start is None:
                _refuse_data_elsewhere(workbook, others)
                return
            errors = failed[place] if place < len(failed) else frozenset()
            rows_with_errors = {row for row, _ in errors}
            first_column = sheet.start[1] + 1
            for number, cells in enumerate(sheet.iter_rows(), 1):
                row = [_text(cell) for cell in cells]
                if number in rows_with_errors:
                    for column, cell in enumerate(row, first_column):
                        if not cell and (number, column) in errors:
                            row[column - first_column] = ERROR_CELL
                if any(row):
                    yield number, row
    except (calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise Unreadable(_broken(error)) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise Unreadable(_broken(error)) from error
        raise


def _sheets(workbook: calamine.CalamineWorkbook) -> list[int]:
    """The places of the sheets with cells, visible sheets before hidden ones. Raises Unreadable."""
    sheets = workbook.sheets_metadata
    found = [i for i, sheet in enumerate(sheets) if sheet.typ == calamine.SheetTypeEnum.WorkSheet]
    if not found:
        raise Unreadable("not readable as XLSX: it has no sheet with cells")
    return sorted(found, key=lambda i: sheets[i].visible != calamine.SheetVisibleEnum.Visible)


def _refuse_data_elsewhere(workbook: calamine.CalamineWorkbook, places: Sequence[int]) -> None:
    """Refuse a workbook whose first sheet is empty while another is not: nobody would notice that its rows are lost."""
    for place in places:
        if workbook.get_sheet_by_index(place).start is not None:
            name = workbook.sheets_metadata[place].name
            raise Unreadable(
                f"its first sheet is empty, but the sheet {name} is not: move the table to the first sheet"
            )


def _broken(error: BaseException) -> str:
    return f"not readable as XLSX: {' '.join(str(error).split())[:300]}"


def _text(cell: Any) -> str:
    """A cell as canonical text. A moment at midnight is a date: Excel has no dates without a time."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if abs(cell) < 1e18 and cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)


def _scan(path: Path, limit: int) -> list[frozenset[tuple[int, int]]]:
    """Decompress every part once, in chunks, without keeping it. Raises Unreadable if it must not be opened.

    Returns the row and column of the cells with errors, for each sheet in the order of the workbook.
    """
    size = 0
    errors: dict[str, frozenset[tuple[int, int]]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > _MOST_PARTS:
                raise Unreadable(f"not readable as XLSX: it has {len(parts)} parts, too many for a workbook")
            if not any(part.filename == "[Content_Types].xml" for part in parts):
                raise Unreadable("not readable as XLSX: it is a zip, but not of a workbook")
            for part in parts:
                extent = _Extent()
                with archive.open(part) as file:
                    tail = b""
                    while piece := file.read(CHUNK):
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
                        if part.filename.startswith("xl/worksheets/"):
                            extent.add(seen)
                        tail = seen[-_OVERLAP:]
                extent.check()
                if extent.errors:
                    errors[part.filename] = frozenset(extent.errors)
            return [errors.get(name, frozenset()) for name in _sheet_parts(archive)] if errors else []
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, LookupError, ValueError, RuntimeError) as error:
        # RuntimeError: the parts are encrypted, or compressed by an unknown method.
        raise Unreadable(_broken(error)) from error


def _sheet_parts(archive: zipfile.ZipFile) -> list[str]:
    """The names of the parts with the sheets, in the order of the workbook."""
    with archive.open("xl/workbook.xml") as file:
        sheets = _SHEET.findall(file.read(CHUNK))
    with archive.open("xl/_rels/workbook.xml.rels") as file:
        relations = _RELATION.findall(file.read(CHUNK))
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


class _Extent:
    """The rectangle of the cells of a sheet, their number, and the places of those with errors."""

    def __init__(self) -> None:
        self.errors: set[tuple[int, int]] = set()
        self.cells = 0
        self.rows = (1 << 30, 0)
        self.columns = (1 << 30, 0)

    def add(self, xml: bytes) -> None:
        for letters, digits in _PLACE.findall(xml):
            column, row = _column_number(letters), int(digits)
            self.cells += 1
            self.rows = (min(self.rows[0], row), max(self.rows[1], row))
            self.columns = (min(self.columns[0], column), max(self.columns[1], column))
        for tag in _ERROR_CELL.findall(xml):
            for letters, digits in _PLACE.findall(tag):
                self.errors.add((int(digits), _column_number(letters)))

    def check(self) -> None:
        if not self.cells:
            return
        area = (self.rows[1] - self.rows[0] + 1) * (self.columns[1] - self.columns[0] + 1)
        if area > _MOST_CELLS or area > max(_SPARSE_CELLS, _SPARSEST * self.cells):
            raise Unreadable(
                f"its sheet reaches to row {self.rows[1]} and column {self.columns[1]}, though only {self.cells} cells"
                " are filled: copy the table into a new workbook, or deliver it as CSV"
            )
