"""Every form in which a tool delivers a table: what the file holds, and on which line of it each row lies."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
import zstandard

from tests.oracle.contract import EXTRACTS

# A row by its columns, or as the fields that stand in its place: those of a malformed one.
Row = Mapping[str, str] | Sequence[str]


@dataclass(frozen=True)
class Written:
    """A file's bytes, and the line of each of its rows as the specification numbers them."""

    data: bytes
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Format:
    """How an extract's rows are written. short, long: whether a row with too few, too many fields can be said in it."""

    ending: str
    write: Callable[[str, Sequence[str], Sequence[Row]], Written]
    short: bool = True
    long: bool = True


def _fields(columns: Sequence[str], row: Row) -> Sequence[str]:
    return [row.get(name, "") for name in columns] if isinstance(row, Mapping) else row


def delimited(delimiter: str, encode: Callable[[str], bytes], end: str = "\n") -> Callable[..., Written]:
    """CSV; a field with a line break makes its row take several lines."""

    def write(extract: str, columns: Sequence[str], rows: Sequence[Row]) -> Written:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
        writer.writerow(columns)
        lines = []
        for row in rows:
            lines.append(out.getvalue().count("\n") + 1)
            writer.writerow(_fields(columns, row))
        return Written(encode(out.getvalue()), tuple(lines))

    return write


def windows_1258(text: str) -> bytes:
    """As a Vietnamese Windows writes it: letters that the code page lacks are a letter and a mark for the tone."""
    out = bytearray()
    for letter in unicodedata.normalize("NFC", text):
        try:
            out += letter.encode("cp1258")
        except UnicodeEncodeError:
            base, *marks = unicodedata.normalize("NFD", letter)
            tones = [mark for mark in marks if mark in "\u0300\u0301\u0303\u0309\u0323"]
            shape = unicodedata.normalize("NFC", base + "".join(mark for mark in marks if mark not in tones))
            out += (shape + "".join(tones)).encode("cp1258")
    return bytes(out)


def _types(extract: str) -> dict[str, str]:
    return {column.name: column.type for column in EXTRACTS[extract]}


_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


def _as_json(extract: str, columns: Sequence[str], row: Row) -> str:
    """An object with typed values, an array for a malformed row."""
    if not isinstance(row, Mapping):
        return json.dumps(list(row))
    types = _types(extract)
    pairs = []
    for name in columns:
        value = row.get(name, "")
        text = json.dumps(value or None, ensure_ascii=len(value) % 2 == 0)
        if types.get(name) == "number" and _JSON_NUMBER.fullmatch(value):
            text = value
        if types.get(name) == "bool" and value.lower() in ("true", "false"):
            text = value.lower()
        pairs.append(f"{json.dumps(name)}: {text}")
    return "{" + ", ".join(pairs) + "}"


def as_array(extract: str, columns: Sequence[str], rows: Sequence[Row]) -> Written:
    """JSON: rows are numbered from 1."""
    text = "[\n" + ",\n".join(_as_json(extract, columns, row) for row in rows) + "\n]"
    return Written(text.encode(), tuple(range(1, len(rows) + 1)))


def as_lines(extract: str, columns: Sequence[str], rows: Sequence[Row]) -> Written:
    """NDJSON: an object a line."""
    text = "".join(_as_json(extract, columns, row) + "\n" for row in rows)
    return Written(text.encode(), tuple(range(1, len(rows) + 1)))


def as_parquet(extract: str, columns: Sequence[str], rows: Sequence[Row]) -> Written:
    """Parquet, a column typed where all its values are of its type; rows are numbered from 1."""
    readers: dict[str, tuple[Callable[[str], object], pa.DataType]] = {
        "number": (float, pa.float64()),
        "date": (date.fromisoformat, pa.date32()),
        "text": (str, pa.string()),
    }
    arrays = {}
    for name in columns:
        values = [row[name] if isinstance(row, Mapping) and row.get(name) else None for row in rows]
        read, kind = readers.get(_types(extract).get(name, "text"), readers["text"])
        try:
            arrays[name] = pa.array([None if value is None else read(value) for value in values], kind)
        except ValueError:
            arrays[name] = pa.array(values, pa.string())
    out = io.BytesIO()
    pq.write_table(pa.table(arrays), out)
    return Written(out.getvalue(), tuple(range(1, len(rows) + 1)))


def as_workbook(extract: str, columns: Sequence[str], rows: Sequence[Row]) -> Written:
    """XLSX with typed cells, as if typed in by hand; the header is row 1 of the sheet."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet, days = book.add_worksheet(), book.add_format({"num_format": "dd/mm/yyyy"})
        for y, row in enumerate([columns, *(_fields(columns, row) for row in rows)]):
            for x, value in enumerate(row):
                kind = _types(extract).get(columns[x] if x < len(columns) else "", "text") if y else "text"
                try:
                    # Excel has no day before 1900: what is typed in there stays text.
                    if kind == "date" and value > "1900-03":
                        sheet.write_datetime(y, x, datetime.fromisoformat(value), days)
                        continue
                    if kind == "number" and value:
                        sheet.write_number(y, x, float(value))
                        continue
                except (ValueError, TypeError):
                    pass  # no date, no number: Excel keeps it as text
                if kind == "bool" and value.lower() in ("true", "false"):
                    sheet.write_boolean(y, x, value.lower() == "true")
                elif value:
                    sheet.write_string(y, x, value)
    return Written(out.getvalue(), tuple(range(2, len(rows) + 2)))


def packed(pack: Callable[[bytes], bytes], write: Callable[..., Written]) -> Callable[..., Written]:
    """The same, packed."""

    def write_packed(extract: str, columns: Sequence[str], rows: Sequence[Row]) -> Written:
        plain = write(extract, columns, rows)
        return Written(pack(plain.data), plain.lines)

    return write_packed


def _utf_16_be(text: str) -> bytes:
    return b"\xfe\xff" + text.encode("utf-16-be")


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


FORMATS: dict[str, Format] = {
    "csv": Format("csv", delimited(",", str.encode)),
    "csv, semicolons, BOM, CRLF": Format("csv", delimited(";", lambda text: text.encode("utf-8-sig"), "\r\n")),
    "csv, tabs, UTF-16": Format("csv", delimited("\t", lambda text: text.encode("utf-16"))),
    "csv, bars, UTF-16 BE, CRLF": Format("csv", delimited("|", _utf_16_be, "\r\n")),
    "csv, semicolons, windows-1258": Format("csv", delimited(";", windows_1258, "\r\n")),
    "tsv": Format("tsv", delimited("\t", str.encode)),
    "json": Format("json", as_array),
    "ndjson": Format("ndjson", as_lines),
    "jsonl": Format("jsonl", as_lines),
    "parquet": Format("parquet", as_parquet, short=False, long=False),
    "xlsx": Format("xlsx", as_workbook, short=False),
    "csv.gz, bars": Format("csv.gz", packed(gzip.compress, delimited("|", str.encode))),
    "csv.zst, windows-1258": Format("csv.zst", packed(_zstd, delimited(",", windows_1258))),
    "tsv.gz, UTF-16": Format("tsv.gz", packed(gzip.compress, delimited("\t", lambda text: text.encode("utf-16")))),
    "json.zst": Format("json.zst", packed(_zstd, as_array)),
    "ndjson.gz": Format("ndjson.gz", packed(gzip.compress, as_lines)),
}
