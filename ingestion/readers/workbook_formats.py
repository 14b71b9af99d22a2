"""The first pass over workbooks that are no .xlsx: .xlsb, .ods and .xls (see `workbook_scan`).

Sources of the formats: MS-XLSB 2.1 (records), OASIS OpenDocument 1.3 part 3 (tables), MS-CFB 2 and MS-XLS 2.4.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, BinaryIO, NamedTuple
from xml.parsers import expat

from amkpi.ingestion.readers.decompression import CHUNK
from amkpi.ingestion.readers.record_batches import Unreadable

# What is wrong with a cell.
ERROR, UNSAVED, SAVED_ZERO = range(3)
DAMAGED = "not readable as {}: it is damaged; open it in Excel, and save it as .xlsx"
PASSWORD = "the workbook has a password: save it without one, and deliver it again"

_MOST_MARKS = 10_000_000
_MOST_MERGES = 1_000_000
# The library keeps a sheet as a rectangle from its first filled cell to its last, with 32 bytes for each cell.
_MOST_CELLS = 64_000_000
_SPARSE_CELLS = 1_000_000
_SPARSEST = 50
_LONGEST_RECORD = 16 << 20
_LARGEST_XLS = 256 << 20

Merge = tuple[tuple[int, int], tuple[int, int]]


class Marks:
    """The cells of one sheet with a mark, and its merges: each the first and last (row, column), from 0.

    merges: None if the scan does not know them.
    """

    def __init__(self, packed: Sequence[int] = (), merges: Sequence[Merge] | None = None) -> None:
        self._packed = sorted(set(packed))
        self._next = 0
        self.merges = merges

    def __len__(self) -> int:
        return len(self._packed)

    def of_row(self, row: int) -> Mapping[int, int]:
        """The marks of a row by their columns, both from 1. Rows must be asked for in ascending order."""
        found = {}
        while self._next < len(self._packed) and self._packed[self._next] >> 20 <= row:
            packed = self._packed[self._next]
            if packed >> 20 == row:
                found[packed >> 2 & 0x3FFFF] = packed & 3
            self._next += 1
        return found

    def again(self) -> Marks:
        """The same marks, to be asked for from the first row."""
        other = Marks(merges=self.merges)
        other._packed = self._packed
        return other


class Scanned(NamedTuple):
    """A scanned workbook: the marked cells of each sheet, in its order; and whether it counts days from 1904."""

    sheets: Sequence[Marks]
    is_1904: bool = False


class SheetScan:
    """The rectangle of the filled cells of a sheet, their number, the marked ones and the merges."""

    def __init__(self) -> None:
        self._marks = array("Q")
        self._merges: list[Merge] | None = None
        self._cells = 0
        self._rows = (1 << 30, 0)
        self._columns = (1 << 30, 0)

    def cell(self, row: int, column: int, rows: int = 1, columns: int = 1) -> None:
        """A filled cell, or a block of them. Row and column from 1."""
        self.cells(rows * columns, (row, row + rows - 1), (column, column + columns - 1))

    def cells(self, count: int, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        """So many filled cells, within the first and last of these rows and columns."""
        self._cells += count
        self._rows = (min(self._rows[0], rows[0]), max(self._rows[1], rows[1]))
        self._columns = (min(self._columns[0], columns[0]), max(self._columns[1], columns[1]))

    def mark(self, row: int, column: int, mark: int) -> None:
        """Mark a cell. Raises Unreadable if there are too many."""
        self._marks.append(row << 20 | column << 2 | mark)
        if len(self._marks) > _MOST_MARKS:
            raise Unreadable(
                f"more than {_MOST_MARKS} cells of a sheet have errors or formulas without a value: save it in Excel,"
                " or deliver it as CSV"
            )

    def merge(self, first: tuple[int, int], last: tuple[int, int]) -> None:
        """A merge, by its first and last (row, column), from 0. Raises Unreadable if there are too many."""
        self._merges = self._merges if self._merges is not None else []
        self._merges.append((first, last))
        if len(self._merges) > _MOST_MERGES:
            raise Unreadable(f"more than {_MOST_MERGES} cells of a sheet are merged: deliver it as CSV")

    def marks(self) -> Marks:
        """The result. Raises Unreadable if the sheet would fill the memory."""
        if self._cells:
            area = (self._rows[1] - self._rows[0] + 1) * (self._columns[1] - self._columns[0] + 1)
            if area > _MOST_CELLS or area > max(_SPARSE_CELLS, _SPARSEST * self._cells):
                raise Unreadable(
                    f"its sheet reaches to row {self._rows[1]} and column {self._columns[1]}, though only"
                    f" {self._cells} cells are filled: copy the table into a new workbook, or deliver it as CSV"
                )
        return Marks(self._marks, self._merges)


# The records of a sheet in .xlsb: those with a cell, from BrtCellRk on. BrtCellBlank has no value.
_XLSB_ROW, _XLSB_FIRST, _XLSB_ERROR, _XLSB_NUMBER, _XLSB_FORMULA_ERROR = 0, 2, 3, 9, 11
_XLSB_PROPERTIES, _XLSB_SHEET_NAME, _XLSB_MERGE = 153, 156, 176


def xlsb_records(part: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The records of a part of an .xlsb: number and content. Raises Unreadable."""
    buffer, place = b"", 0
    while piece := part.read(CHUNK):
        buffer, place = buffer[place:] + piece, 0
        while place < len(buffer):
            start, number, size = _xlsb_head(buffer, place)
            if size > _LONGEST_RECORD:
                raise Unreadable("not readable as XLSB: it has a record that is too long; save it as .xlsx")
            if start + size > len(buffer):
                break
            yield number, buffer[start : start + size]
            place = start + size
    if place < len(buffer):
        raise Unreadable("not readable as XLSB: it is cut off; deliver it again")


def _xlsb_head(buffer: bytes, place: int) -> tuple[int, int, int]:
    """Where the content of the record begins, its number and its size; beyond the buffer if it is cut off."""
    number, size = 0, 0
    for shift in (0, 7):
        byte = buffer[place] if place < len(buffer) else 0
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    for shift in (0, 7, 14, 21):
        byte = buffer[place] if place < len(buffer) else 0
        place += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return place, number, size


def scan_xlsb_sheet(part: IO[bytes]) -> Marks:
    """The marked cells and merges of a sheet. Raises Unreadable."""
    sheet = SheetScan()
    row = 0
    for number, content in xlsb_records(part):
        if number == _XLSB_ROW:
            row = struct.unpack_from("<I", content)[0] + 1
        elif _XLSB_FIRST <= number <= _XLSB_FORMULA_ERROR:
            column = struct.unpack_from("<I", content)[0] + 1
            sheet.cell(row, column)
            if number in (_XLSB_ERROR, _XLSB_FORMULA_ERROR):
                sheet.mark(row, column, ERROR)
            elif number == _XLSB_NUMBER and not struct.unpack_from("<d", content, 8)[0]:
                sheet.mark(row, column, SAVED_ZERO)
        elif number == _XLSB_MERGE:
            top, bottom, left, right = struct.unpack_from("<4I", content)
            sheet.merge((top, left), (bottom, right))
    return sheet.marks()


def xlsb_workbook(part: IO[bytes]) -> tuple[list[bytes], bool]:
    """The ids of the parts with the sheets, in the order of the workbook; and whether it counts days from 1904."""
    found = []
    is_1904 = False
    for number, content in xlsb_records(part):
        if number == _XLSB_PROPERTIES:
            is_1904 = bool(struct.unpack_from("<I", content)[0] & 1)
        elif number == _XLSB_SHEET_NAME:
            length = struct.unpack_from("<I", content, 8)[0]
            found.append(content[12 : 12 + 2 * length].decode("utf-16-le").encode())
    return found, is_1904


_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0 "
_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0 "
_TEXT_P = "urn:oasis:names:tc:opendocument:xmlns:text:1.0 p"
_CALC_TYPE = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 value-type"


class OdsScan:
    """The sheets of the content.xml of an .ods, from its parts as they are decompressed."""

    def __init__(self) -> None:
        self.sheets: list[SheetScan] = []
        self._row, self._rows, self._column, self._columns = 1, 1, 1, 1
        self._cell: Mapping[str, str] | None = None
        self._has_text = False
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse

    def add(self, xml: bytes, *, is_last: bool = False) -> None:
        """The next bytes. Raises Unreadable."""
        try:
            self._parser.Parse(xml, is_last)
        except expat.ExpatError as error:
            raise Unreadable(f"not readable as ODS: {error}") from error

    def _refuse(self, *_: object) -> None:
        raise Unreadable("not readable as ODS: it declares entities, which no spreadsheet needs; save it again")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == _TABLE + "table":
            self.sheets.append(SheetScan())
            self._row, self._rows = 1, 0
        elif name == _TABLE + "table-row":
            self._row += self._rows
            self._rows = _count(attributes, "number-rows-repeated")
            self._column, self._columns = 1, 0
        elif name in (_TABLE + "table-cell", _TABLE + "covered-table-cell"):
            self._column += self._columns
            self._columns = _count(attributes, "number-columns-repeated")
            self._cell, self._has_text = attributes, False
        elif name == _TEXT_P:
            self._has_text = True

    def _end(self, name: str) -> None:
        if self._cell is None or not self.sheets or name not in (_TABLE + "table-cell", _TABLE + "covered-table-cell"):
            return
        cell, self._cell = self._cell, None
        sheet, kind = self.sheets[-1], cell.get(_OFFICE + "value-type")
        rows, columns = (_count(cell, f"number-{each}-spanned") for each in ("rows", "columns"))
        if rows > 1 or columns > 1:
            sheet.merge((self._row - 1, self._column - 1), (self._row + rows - 2, self._column + columns - 2))
        has_formula = _TABLE + "formula" in cell
        if not (kind or self._has_text or has_formula):
            return
        sheet.cell(self._row, self._column, self._rows, self._columns)
        if cell.get(_CALC_TYPE) == "error":
            self._mark(ERROR)
        elif has_formula and not kind and not self._has_text:
            self._mark(UNSAVED)
        elif has_formula and kind == "float" and cell.get(_OFFICE + "value") == "0":
            self._mark(SAVED_ZERO)

    def _mark(self, mark: int) -> None:
        for row in range(self._row, self._row + self._rows):
            for column in range(self._column, self._column + self._columns):
                self.sheets[-1].mark(row, column, mark)


def _count(attributes: Mapping[str, str], name: str) -> int:
    text = attributes.get(_TABLE + name, "1")
    if not text.isdecimal() or not 1 <= int(text[:9]) <= 1 << 24:
        raise Unreadable(f"not readable as ODS: {name} is {text[:20]}; save it again")
    return int(text)


# The records of a sheet in .xls with a value: NUMBER, LABEL, BOOLERR, RK, LABELSST, FORMULA, MULRK.
_XLS_CELLS = frozenset({0x0203, 0x0204, 0x0205, 0x027E, 0x00FD, 0x0006, 0x00BD})
_XLS_BOOL_OR_ERROR, _XLS_FORMULA, _XLS_MULTIPLE, _XLS_END = 0x205, 0x06, 0xBD, 0x0A
_XLS_SHEET, _XLS_PASSWORD, _XLS_DATE_MODE = 0x85, 0x2F, 0x22
_XLS_WORKSHEET = 0


def scan_xls(file: BinaryIO, limit: int) -> Scanned:
    """Scan an .xls. limit: in bytes. Raises Unreadable."""
    most = min(limit, _LARGEST_XLS)
    content = file.read(most + 1)
    if len(content) > most:
        raise Unreadable(f"has more than {most} bytes: save it as .xlsx, or deliver it as CSV")
    try:
        compound = _Compound(content)
        if "EncryptedPackage" in compound.entries:
            raise Unreadable(PASSWORD)
        name = next((each for each in ("Workbook", "Book") if each in compound.entries), None)
        if name is None:
            raise Unreadable("not readable as XLS: it has no workbook in it; save it as .xlsx")
        stream = compound.stream(name)
        starts = []
        is_1904 = False
        for number, record in _xls_records(stream, 0):
            if number == _XLS_PASSWORD:
                raise Unreadable(PASSWORD)
            if number == _XLS_SHEET:
                starts.append(struct.unpack_from("<I", record)[0])
            elif number == _XLS_DATE_MODE:
                is_1904 = struct.unpack_from("<H", record)[0] == 1
        return Scanned([_scan_xls_sheet(stream, start) for start in starts], is_1904)
    except (struct.error, IndexError, ValueError) as error:
        raise Unreadable(DAMAGED.format("XLS")) from error


def _xls_records(stream: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """The records from this place to the next EOF record."""
    while place + 4 <= len(stream):
        number, size = struct.unpack_from("<HH", stream, place)
        yield number, stream[place + 4 : place + 4 + size]
        if number == _XLS_END:
            return
        place += 4 + size


def _scan_xls_sheet(stream: bytes, start: int) -> Marks:
    sheet = SheetScan()
    for number, record in _xls_records(stream, start):
        if number not in _XLS_CELLS:
            continue
        row, column = (each + 1 for each in struct.unpack_from("<HH", record))
        sheet.cell(row, column, columns=max((len(record) - 6) // 6, 1) if number == _XLS_MULTIPLE else 1)
        if number == _XLS_BOOL_OR_ERROR and record[7]:
            sheet.mark(row, column, ERROR)
        elif number == _XLS_FORMULA:
            result = record[6:14]
            if result[6:] == b"\xff\xff":
                if result[0] == 2:
                    sheet.mark(row, column, ERROR)
            elif not struct.unpack("<d", result)[0]:
                sheet.mark(row, column, SAVED_ZERO)
    return sheet.marks()


class _Compound:
    """A compound file: its streams by their names. Raises struct.error, IndexError or ValueError if it is damaged."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        shift = struct.unpack_from("<H", content, 30)[0]
        if shift not in (9, 12):
            raise ValueError("sector size")
        self._size = 1 << shift
        directory, _, self._cutoff, mini_fat, _, difat, _ = struct.unpack_from("<7I", content, 48)
        sectors = list(struct.unpack_from("<109I", content, 76))
        while difat < 0xFFFFFFFA and len(sectors) * self._size <= len(content) + 109 * self._size:
            *more, difat = struct.unpack(f"<{self._size // 4}I", self._sector(difat))
            sectors += more
        self._fat = array("I")
        for sector in sectors:
            if sector < 0xFFFFFFFA:
                self._fat.frombytes(self._sector(sector))
        entries = self._chain(directory)
        self.entries: dict[str, tuple[int, int]] = {}
        root = 0xFFFFFFFE
        for place in range(0, len(entries), 128):
            entry = entries[place : place + 128]
            length, kind = struct.unpack_from("<HB", entry, 64)
            start, size = struct.unpack_from("<II", entry, 116)
            self.entries[entry[: max(min(length, 64) - 2, 0)].decode("utf-16-le", "replace")] = (start, size)
            root = start if kind == 5 else root
        self._mini = self._chain(root)
        self._mini_fat = array("I", self._chain(mini_fat))

    def _sector(self, number: int) -> bytes:
        sector = self._content[(number + 1) * self._size : (number + 2) * self._size]
        if not sector:
            raise ValueError("a sector beyond the end")
        return sector.ljust(self._size, b"\0")

    def _chain(self, start: int) -> bytes:
        found, seen = [], 0
        while start < 0xFFFFFFFA:
            found.append(self._sector(start))
            start = self._fat[start]
            seen += 1
            if seen > len(self._fat):
                raise ValueError("a chain without end")
        return b"".join(found)

    def stream(self, name: str) -> bytes:
        """The content of a stream."""
        start, size = self.entries[name]
        if size >= self._cutoff:
            return self._chain(start)[:size]
        found: list[bytes] = []
        while start < 0xFFFFFFFA and len(found) <= len(self._mini_fat):
            found.append(self._mini[start * 64 : start * 64 + 64])
            start = self._mini_fat[start]
        return b"".join(found)[:size]
