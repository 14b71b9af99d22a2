"""A first pass over a workbook: whether it is safe to open, and the cells whose value cannot be trusted.

A workbook is a zip of XML (.xlsx). Its content is scanned first, because the library that reads it would fill the
memory with the decompressed content of a hostile one. The library returns a cell with an error, and a formula whose
value was never saved, as empty: the scan finds these cells.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from amkpi.ingestion.readers.decompression import CHUNK
from amkpi.ingestion.readers.record_batches import Unreadable
from amkpi.ingestion.readers.workbook_formats import (
    DAMAGED,
    ERROR,
    PASSWORD,
    SAVED_ZERO,
    UNSAVED,
    Marks,
    OdsScan,
    Scanned,
    SheetScan,
    scan_xls,
    scan_xlsb_sheet,
    xlsb_workbook,
)

_COMPOUND = b"\xd0\xcf\x11\xe0"
# The library takes as much memory as an .xls names. Where it gets none, it ends the process, and no exception
# can be caught: a damaged file would end every run. So a process of its own opens the workbook first.
_TRIAL = """
import io, resource, sys
content = sys.stdin.buffer.read()
most = int(sys.argv[1]) + 8 * len(content)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_AS, (most, most))
import python_calamine
workbook = python_calamine.load_workbook(io.BytesIO(content))
for place in range(len(workbook.sheet_names)):
    workbook.get_sheet_by_index(place)
"""
_TRIAL_BYTES = 2 << 30
_TRIAL_SECONDS = 600
_MOST_PARTS = 10_000
_PLACE = re.compile(rb"""[\s]r\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_ERROR_CELL = re.compile(rb"""<(?:\w+:)?c(\s[^>]{0,200}?\bt\s*=\s*["']e["'][^>]{0,200})>""")
# A cell with a formula, up to the formula; it comes before the value.
_FORMULA_CELL = re.compile(rb"<(?:\w+:)?c(\s[^>]{0,200})>\s*<(?:\w+:)?f(?=[\s/>])")
_END_OF_CELL = re.compile(rb"</(?:\w+:)?c\s*>")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?(?:/>|>([^<]*)<)")
_TYPE = re.compile(rb"""\st\s*=\s*["'](\w+)["']""")
_SHEET = re.compile(rb"""<(?:\w+:)?sheet\s[^>]*?\b\w+:id\s*=\s*["']([^"']*)["']""")
_FROM_1904 = re.compile(rb"""<(?:\w+:)?workbookPr\s[^>]*?\bdate1904\s*=\s*["'](?:1|true)["']""")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s([^>]*)>")
_ATTRIBUTE = re.compile(rb"""(\w+)\s*=\s*["']([^"']*)["']""")
# Of the part that names the sheets, in bytes.
_LONGEST_LIST = 1 << 20
_OVERLAP = 512
# The longest formula of Excel has 8192 characters, each of at most 6 bytes in XML.
_FORMULA_OVERLAP = 1 << 16


def broken(error: BaseException, kind: str) -> str:
    """The reason for a workbook that cannot be read."""
    return f"not readable as {kind}: {' '.join(str(error).split())[:300]}"


def scan(file: BinaryIO, limit: int) -> Scanned:
    """Read a workbook once, in chunks, without keeping it. Raises Unreadable if it must not be opened.

    Its format is found from its content: many systems name an old workbook .xlsx. limit: of the decompressed size, in
    bytes.
    """
    start = file.read(len(_COMPOUND))
    file.seek(0)
    if start == _COMPOUND:
        scanned = scan_xls(file, limit)
        file.seek(0)
        _open_on_trial(file)
        return scanned
    kind = "XLSX"
    try:
        with zipfile.ZipFile(file) as archive:
            names = {part.filename for part in archive.infolist()}
            if len(names) > _MOST_PARTS:
                raise Unreadable(f"not readable as XLSX: it has {len(names)} parts, too many for a workbook")
            if "content.xml" in names:
                kind = "ODS"
                return _scan_ods(archive, limit)
            if "[Content_Types].xml" not in names:
                raise Unreadable("not readable as XLSX: it is a zip, but not of a workbook")
            if "xl/workbook.bin" in names:
                kind = "XLSB"
                return _scan_xlsb(archive, limit)
            return _scan_xlsx(archive, limit)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, LookupError, ValueError, RuntimeError) as error:
        # RuntimeError: the parts are encrypted, or compressed by an unknown method.
        raise Unreadable(broken(error, kind)) from error
    except struct.error as error:
        raise Unreadable(DAMAGED.format(kind)) from error


def _open_on_trial(file: BinaryIO) -> None:
    """Open an .xls in a process of its own; file is at its start. Raises Unreadable if that process dies.

    An error that the library tells is none of this function's: whoever opens the workbook next gets it, too.
    """
    command = [sys.executable, "-I", "-c", _TRIAL, str(_TRIAL_BYTES)]
    try:
        died = subprocess.run(
            command, input=file.read(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_TRIAL_SECONDS,
            check=False,
        ).returncode < 0  # fmt: skip
    except subprocess.TimeoutExpired:
        died = True
    if died:
        raise Unreadable(DAMAGED.format("XLS"))


def _pieces(archive: zipfile.ZipFile, limit: int) -> Iterator[tuple[str, bytes]]:
    """The parts in pieces, each with the name of its part; an empty one ends the part. Raises Unreadable."""
    size = 0
    for part in archive.infolist():
        with archive.open(part) as content:
            while piece := content.read(CHUNK):
                size += len(piece)
                if size > limit:
                    raise Unreadable(
                        f"decompresses to more than {limit} bytes: deliver it as CSV, or raise the setting"
                        " max_unpacked_bytes"
                    )
                yield part.filename, piece
        yield part.filename, b""


def _scan_xlsx(archive: zipfile.ZipFile, limit: int) -> Scanned:
    marks: dict[str, Marks] = {}
    sheet, tail = _XmlSheet(), b""
    for name, piece in _pieces(archive, limit):
        if piece:
            seen = tail + piece
            # No spreadsheet program writes these. They are used to expand a file, or to read other files.
            if b"<!DOCTYPE" in seen or b"<!ENTITY" in seen:
                raise Unreadable(
                    "not readable as XLSX: it declares entities, which no spreadsheet needs; save it again"
                )
            if name.startswith("xl/worksheets/"):
                sheet.add(seen, piece)
            tail = seen[-_OVERLAP:]
        else:
            marks[name] = sheet.marks()
            sheet, tail = _XmlSheet(), b""
    with archive.open("xl/workbook.xml") as file:
        workbook = file.read(_LONGEST_LIST)
    sheets = []
    if any(marks.values()):
        parts = _in_order(archive, "xl/_rels/workbook.xml.rels", _SHEET.findall(workbook))
        sheets = [marks.get(name, Marks()) for name in parts]
    return Scanned(sheets, _FROM_1904.search(workbook) is not None)


def _scan_xlsb(archive: zipfile.ZipFile, limit: int) -> Scanned:
    for _ in _pieces(archive, limit):
        pass  # it decompresses within the limit
    with archive.open("xl/workbook.bin") as part:
        identities, is_1904 = xlsb_workbook(part)
    marks = []
    for name in _in_order(archive, "xl/_rels/workbook.bin.rels", identities):
        if name in archive.namelist():
            with archive.open(name) as part:
                marks.append(scan_xlsb_sheet(part))
        else:
            marks.append(Marks())
    return Scanned(marks, is_1904)


def _scan_ods(archive: zipfile.ZipFile, limit: int) -> Scanned:
    content = OdsScan()
    for name, piece in _pieces(archive, limit):
        if name == "META-INF/manifest.xml" and b"encryption-data" in piece:
            raise Unreadable(PASSWORD)
        if name == "content.xml":
            content.add(piece, is_last=not piece)
    # A date of this format is written as a date, so the day that numbers count from is nowhere needed.
    return Scanned([sheet.marks() for sheet in content.sheets])


def _in_order(archive: zipfile.ZipFile, relations_part: str, identities: Sequence[bytes]) -> list[str]:
    """The names of the parts with these ids."""
    with archive.open(relations_part) as file:
        relations = _RELATION.findall(file.read(_LONGEST_LIST))
    targets = {}
    for relation in relations:
        found = dict(_ATTRIBUTE.findall(relation))
        target = found.get(b"Target", b"").decode()
        targets[found.get(b"Id")] = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    return [targets.get(identity, "") for identity in identities]


def _column_number(letters: bytes) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + letter - 64
    return column


class _XmlSheet(SheetScan):
    """The cells of a sheet of an .xlsx, from its XML as it is decompressed."""

    def __init__(self) -> None:
        super().__init__()
        self._tail = b""

    def add(self, xml: bytes, new: bytes) -> None:
        """The next bytes of the sheet: new, and in xml with the last bytes before them."""
        if found := _PLACE.findall(xml):
            columns = [_column_number(letters) for letters in {letters for letters, _ in found}]
            rows = [int(digits) for digits in {digits for _, digits in found}]
            self.cells(len(found), (min(rows), max(rows)), (min(columns), max(columns)))
        for attributes in _ERROR_CELL.findall(xml):
            self._mark_cell(attributes, ERROR)
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
            self._mark_cell(attributes, UNSAVED)
        elif kind == b"n" and text and not text.strip(b"-0."):
            self._mark_cell(attributes, SAVED_ZERO)

    def _mark_cell(self, attributes: bytes, mark: int) -> None:
        for letters, digits in _PLACE.findall(attributes):
            self.mark(int(digits), _column_number(letters), mark)
