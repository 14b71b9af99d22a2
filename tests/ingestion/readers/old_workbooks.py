"""Small workbooks in formats that no library at hand can write: .ods, .xlsb and .xls, made from their records.

A sheet is a list of rows; a cell is a text, a number, a `date`, or one of the marked cells below.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from datetime import date
from typing import Any

ERROR = object()  # a formula whose value is #DIV/0!
ZERO = object()  # a formula whose saved value is 0
_FIRST_DAY = date(1899, 12, 30)

Rows = Sequence[Sequence[Any]]


def _zip(parts: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


_NAMES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{prefix}:1.0"' for prefix in ("office", "table", "text")
)
_CALC = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'


def ods(*sheets: Rows | str, manifest: str = "") -> bytes:
    """An OpenDocument spreadsheet; a sheet may be given as the XML of its rows."""
    tables = "".join(
        f'<table:table table:name="Sheet{number}">'
        f"{sheet if isinstance(sheet, str) else ''.join(map(_ods_row, sheet))}</table:table>"
        for number, sheet in enumerate(sheets, 1)
    )
    return _zip(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": f"<office:document-content {_NAMES} {_CALC}><office:body><office:spreadsheet>{tables}"
            "</office:spreadsheet></office:body></office:document-content>",
            "META-INF/manifest.xml": '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:'
            f'manifest:1.0">{manifest}</manifest:manifest>',
        }
    )


def _ods_row(cells: Sequence[Any]) -> str:
    return f"<table:table-row>{''.join(map(ods_cell, cells))}</table:table-row>"


def ods_cell(cell: Any, attributes: str = "") -> str:
    """A cell as XML; attributes: such as those of a merge."""
    kind, text = "", ""
    if cell is ERROR:
        kind, text = 'table:formula="of:=1/0" office:value-type="string" calcext:value-type="error"', "#DIV/0!"
    elif cell is ZERO:
        kind, text = 'table:formula="of:=SUM([.A1])" office:value-type="float" office:value="0"', "0"
    elif isinstance(cell, bool):
        kind, text = f'office:value-type="boolean" office:boolean-value="{str(cell).lower()}"', str(cell)
    elif isinstance(cell, date):
        kind, text = f'office:value-type="date" office:date-value="{cell}"', str(cell)
    elif isinstance(cell, int | float):
        kind, text = f'office:value-type="float" office:value="{cell}"', str(cell)
    elif cell is not None:
        kind, text = 'office:value-type="string"', str(cell)
    return f"<table:table-cell {kind} {attributes}>{f'<text:p>{text}</text:p>' if text else ''}</table:table-cell>"


def _record(number: int, content: bytes = b"") -> bytes:
    """A record of .xlsb: its number and its length in groups of seven bits."""
    head = bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])
    size, length = b"", len(content)
    while length >= 0x80:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + size + bytes([length]) + content


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb(*sheets: Rows, merges: Sequence[tuple[int, int, int, int]] = (), is_1904: bool = False) -> bytes:
    """A binary workbook. merges: of the first sheet, each top, bottom, left, right from 0."""
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    numbers = range(1, len(sheets) + 1)
    book = b"".join(
        _record(156, struct.pack("<II", 0, each) + _wide(f"rId{each}") + _wide(f"Sheet{each}")) for each in numbers
    )
    properties = _record(153, struct.pack("<III", int(is_1904), 0, 0))
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="bin"'
        ' ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1"'
        f' Type="{office}/officeDocument" Target="xl/workbook.bin"/></Relationships>',
        "xl/workbook.bin": _record(131) + properties + _record(143) + book + _record(144) + _record(132),
        "xl/_rels/workbook.bin.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(
            f'<Relationship Id="rId{each}" Type="{office}/worksheet" Target="worksheets/sheet{each}.bin"/>'
            for each in numbers
        )
        + "</Relationships>",
    }
    for number, rows in enumerate(sheets, 1):
        cells = b"".join(
            _record(0, struct.pack("<IIHBBBI", y, 0, 300, 0, 0, 0, 0))
            + b"".join(_xlsb_cell(x, cell) for x, cell in enumerate(row) if cell is not None)
            for y, row in enumerate(rows)
        )
        width = max(map(len, rows), default=1)
        size = _record(148, struct.pack("<IIII", 0, max(len(rows) - 1, 0), 0, width - 1))
        merged = b"".join(_record(176, struct.pack("<4I", *each)) for each in merges) if number == 1 else b""
        parts[f"xl/worksheets/sheet{number}.bin"] = (
            _record(129) + size + _record(145) + cells + _record(146) + merged + _record(130)
        )
    return _zip(parts)


def _xlsb_cell(column: int, cell: Any) -> bytes:
    head = struct.pack("<II", column, 0)
    if cell is ERROR:
        return _record(11, head + b"\x07" + b"\0" * 10)
    if cell is ZERO:
        return _record(9, head + struct.pack("<d", 0) + b"\0" * 10)
    if isinstance(cell, int | float):
        return _record(5, head + struct.pack("<d", cell))
    return _record(6, head + _wide(str(cell)))


def _biff(number: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", number, len(content)) + content


def xls(*sheets: Rows, password: bool = False, is_1904: bool = False) -> bytes:
    """A workbook of Excel 97 to 2003."""
    bodies = [_xls_sheet(rows) for rows in sheets]
    head = _biff(0x809, struct.pack("<HHHHII", 0x600, 5, 0x0DBB, 0x07CC, 0, 6))
    head += _biff(0x2F, b"\0" * 6) if password else b""
    head += _biff(0x22, struct.pack("<H", int(is_1904)))
    names = [f"Sheet{number}".encode() for number in range(1, len(sheets) + 1)]
    start = len(head) + sum(len(_biff(0x85, b"\0" * (8 + len(name)))) for name in names) + len(_biff(0x0A))
    for name, body in zip(names, bodies, strict=True):
        head += _biff(0x85, struct.pack("<IBBBB", start, 0, 0, len(name), 0) + name)
        start += len(body)
    return compound({"Workbook": head + _biff(0x0A) + b"".join(bodies)})


def _xls_sheet(rows: Rows) -> bytes:
    width = max(map(len, rows), default=0)
    content = _biff(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0x0DBB, 0x07CC, 0, 6))
    content += _biff(0x200, struct.pack("<IIHHH", 0, len(rows), 0, width, 0))
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            head = struct.pack("<HHH", y, x, 0)
            if cell is ERROR:
                content += _biff(0x06, head + b"\x02\0\x07\0\0\0\xff\xff" + b"\0" * 6 + struct.pack("<H", 0))
            elif cell is ZERO:
                content += _biff(0x06, head + struct.pack("<d", 0) + b"\0" * 6 + struct.pack("<H", 0))
            elif isinstance(cell, int | float):
                content += _biff(0x203, head + struct.pack("<d", cell))
            elif cell is not None:
                text = str(cell)
                content += _biff(0x204, head + struct.pack("<HB", len(text), 1) + text.encode("utf-16-le"))
    return content + _biff(0x0A)


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file of these streams, each padded to the size from which a stream has sectors of its own."""
    contents = [content.ljust(4096, b"\0") for content in streams.values()]
    contents = [content + b"\0" * (-len(content) % 512) for content in contents]
    # Sector 0 is the table of sectors, 1 and 2 the directory.
    table = [0xFFFFFFFD, 2, 0xFFFFFFFE]
    entries = [_entry("Root Entry", 5, 0xFFFFFFFE, 0)]
    for (name, _), content in zip(streams.items(), contents, strict=True):
        start, sectors = len(table), len(content) // 512
        table += [*range(start + 1, start + sectors), 0xFFFFFFFE]
        entries.append(_entry(name, 2, start, len(content)))
    assert len(table) <= 128
    assert len(entries) <= 8
    table += [0xFFFFFFFF] * (128 - len(table))
    directory = b"".join(entries).ljust(1024, b"\0")
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + b"\0" * 10
    head += struct.pack("<8I", 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    # The number of table sectors, then the directory, a transaction number and the cutoff of small streams.
    head = head[:44] + struct.pack("<8I", 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    head += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    return head + struct.pack("<128I", *table) + directory + b"".join(contents)


def _entry(name: str, kind: int, start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    links = struct.pack("<III", 0xFFFFFFFF, 0xFFFFFFFF, 1 if kind == 5 else 0xFFFFFFFF)
    return (
        encoded.ljust(64, b"\0")
        + struct.pack("<HBB", len(encoded), kind, 1)
        + links
        + b"\0" * 36
        + struct.pack("<IQ", start, size)
    )
