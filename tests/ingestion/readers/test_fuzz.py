"""Readers on bytes that nobody chose: rows or one clear refusal, never anything else, and no row lost.

A short profile in every run; 10,000 examples each with `make fuzz`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amkpi.ingestion.readers import (
    CANONICAL,
    MAX_FIELD_CHARS,
    Layout,
    Unreadable,
    decompression,
    delimited,
    examine,
    open_text,
    read_csv,
)
from amkpi.ingestion.readers.layout import Header, StopAt
from tests.ingestion.readers.old_workbooks import ERROR, ZERO, ods, xls, xlsb
from tests.ingestion.readers.test_readers import KNOWN, listed
from tests.ingestion.readers.test_zip_files import zipped

PROFILES = [
    pytest.param(100, id="short"),
    pytest.param(10_000, id="long", marks=[pytest.mark.slow, pytest.mark.long]),
]
HEADERS = ("client_id,client_name\n", "client_id\n", '"client_id",x,"a\nb"\r\n', "\r\n\nclient_id|x\n", "")
# What matters to a parser, far more often than chance would have it.
PIECES = st.sampled_from(
    [",", '"', '""', "\n", "\r\n", "\r", "a", "bc", ";", "|", "\t", " ", "é", "😀", "\0", "\n\n", ",,"]
)
TEXTS = st.lists(PIECES, max_size=60).map("".join)


def examples(number: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=number,
        deadline=None,
        database=None,
        # The short profile is the same every time; the long one looks where nobody has been.
        derandomize=number < 10_000,
        suppress_health_check=list(HealthCheck),
    )


def by_csv_alone(text: str) -> list[Any] | None:
    """The rows as Python's csv reads the whole text at once, with the line on which each begins; None: it refuses.

    A text whose first two bytes have one zero is refused as UTF-16 without its mark.
    """
    if text.encode()[:2].count(0) == 1 and len(text.encode()) > 1:
        return None
    csv.field_size_limit(MAX_FIELD_CHARS)
    lines = list(io.StringIO(text, newline=""))
    first = next((line for line in lines if line.strip("\r\n")), "")
    reader = csv.reader(lines, delimiter=delimited._delimiter(first, KNOWN), strict=True)
    rows: list[tuple[int, list[str]]] = []
    before = 0
    try:
        for row in reader:
            if row:
                rows.append((before + 1, row))
            before = reader.line_num
    except csv.Error:
        return None
    if not rows:
        return [()]
    header = rows[0][1]
    return [
        tuple(header),
        *((line, row if len(row) == len(header) else json.dumps(row, ensure_ascii=False)) for line, row in rows[1:]),
    ]


def by_the_reader(path: Path, limit: int = 1 << 20, layout: Layout = CANONICAL) -> list[Any] | None:
    try:
        rows = open_text(path, examine(path, limit), KNOWN, limit, layout)
        return [rows.header, *listed(rows)]
    except Unreadable as error:
        message = str(error)
    assert message
    assert "\n" not in message
    return None


@pytest.mark.parametrize("number", PROFILES)
@pytest.mark.slow
def test_csv_reads_as_csv_alone_would_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "a.csv"

    @examples(number)
    @given(st.sampled_from(HEADERS), TEXTS, st.sampled_from([1, 3, 8, 64]), st.sampled_from([5, 1 << 20]))
    def check(header: str, text: str, chunk: int, block: int) -> None:
        monkeypatch.setattr(decompression, "CHUNK", chunk)
        monkeypatch.setattr(delimited, "BLOCK_BYTES", block)
        path.write_text(header + text, encoding="utf-8", newline="")
        assert by_the_reader(path) == by_csv_alone(header + text)

    check()


ROWS = st.lists(
    st.lists(st.sampled_from(["a", "b c", "é", "", " ", "x\0y", "1", "\u00a0"]), min_size=2, max_size=2), max_size=40
)


@pytest.mark.parametrize("number", PROFILES)
@pytest.mark.slow
def test_arrow_and_csv_read_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    path = tmp_path / "a.csv"
    at_once, used = delimited._at_once, []

    def counted(*args: Any) -> Any:
        table = at_once(*args)
        used.append(table is not None)
        return table

    @examples(number)
    @given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from([16, 100, 1 << 20]))
    def check(rows: list[list[str]], newline: str, ends: bool, block: int) -> None:
        monkeypatch.setattr(delimited, "BLOCK_BYTES", block)
        monkeypatch.setattr(decompression, "CHUNK", 7)
        text = newline.join(["client_id,client_name", *(",".join(row) for row in rows)]) + (newline if ends else "")
        path.write_text(text, encoding="utf-8", newline="")
        tables = []
        for parser in (counted, lambda *args: None):
            monkeypatch.setattr(delimited, "_at_once", parser)
            opened = read_csv(path, "utf-8-sig", KNOWN)
            schema_and_rows = [(table.schema.remove_metadata(), table.to_pylist()) for table in opened.batches]
            assert len({str(schema) for schema, _ in schema_and_rows}) <= 1
            tables.append([row for _, found in schema_and_rows for row in found])
        assert tables[0] == tables[1]
        assert len(tables[0]) == len(rows)

    check()
    assert used.count(True) > number, "the quick way was never taken"


def packed(content: bytes, name: str) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(content)
    return zstandard.ZstdCompressor().compress(content) if name.endswith(".zst") else content


def a_workbook() -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    for y in range(5):
        sheet.write_row(y, 0, ["client_id", "client_name", 1.5] if y == 0 else [f"C{y}", True, y / 3])
    book.close()
    return out.getvalue()


def a_parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"client_id": ["C1", None, "C3"], "x": [1.0, 2.5, None], "y": [[1], [], None]}), out)
    return out.getvalue()


SHEET: list[list[Any]] = [["client_id", "client_name"], ["C1", ERROR], [ZERO], [], ["Đ", 2.5]]
WHOLE = {
    "a.csv": b'client_id,client_name\nC1,"x\ny"\nC2,Nguy\xe1\xbb\x85n\n',
    "a.csv.gz": packed(b"client_id,client_name\nC1,x\n" * 20, "a.gz"),
    "a.csv.zst": packed(b"client_id,client_name\nC1,x\n" * 20, "a.zst"),
    "a.json": b'[{"client_id": "C1", "x": 1.5}, {"client_id": null}, [1], "\\u00e9"]',
    "a.ndjson": b'{"client_id": "C1", "x": true}\n{"client_id": {"a": []}}\n',
    "u.csv": "client_id;client_name\nC1;é\n".encode("utf-16"),
    "a.parquet": a_parquet(),
    "a.xlsx": a_workbook(),
    "a.ods": ods(SHEET),
    "a.xls": xls(SHEET),
    "a.xlsb": xlsb(SHEET, merges=[(1, 2, 1, 1)]),
    "a.zip": zipped(("a.csv", "client_id,x\nC1,x\n"), ("b.csv", "x,client_id\nC1,x\n")),
}
LAYOUTS = st.builds(
    Layout,
    sheet=st.sampled_from([None, None, 1, "Sheet1"]),
    header=st.builds(
        Header,
        row=st.sampled_from([None, None, 1, 2, 3]),
        contains=st.sampled_from([(), (), ("client_id",)]),
        height=st.sampled_from([1, 1, 2]),
    ),
    skip_after_header=st.sampled_from([0, 0, 1, 2]),
    stop_at=st.builds(
        StopAt,
        empty_row=st.booleans(),
        column=st.sampled_from([None, "client_id"]),
        matches=st.just(re.compile("^[aC]2?$")),
    ),
    records=st.sampled_from([(), (), ("a",)]),
    native=st.booleans(),
    fill_down=st.sampled_from([(), ("client_id",)]),
)


@pytest.mark.parametrize("number", PROFILES)
@pytest.mark.parametrize("name", sorted(WHOLE))
@pytest.mark.slow
def test_a_damaged_file_of_any_kind_is_read_or_refused_in_one_line(tmp_path: Path, name: str, number: int) -> None:
    path, whole = tmp_path / name, WHOLE[name]
    places = st.integers(0, len(whole))
    damage = st.tuples(places, st.integers(0, 12), st.binary(max_size=12))

    @examples(number)
    @given(st.lists(damage, max_size=4), places, st.just(CANONICAL) | LAYOUTS)
    def check(damages: list[tuple[int, int, bytes]], end: int, layout: Layout) -> None:
        content = whole
        for place, length, other in damages:
            content = content[:place] + other + content[place + length :]
        path.write_bytes(content if end % 3 else content[:end])
        by_the_reader(path, layout=layout)

    check()
    path.write_bytes(whole)
    assert by_the_reader(path) is not None


@pytest.mark.parametrize("number", PROFILES)
def test_no_row_of_text_is_lost_by_a_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    path = tmp_path / "a.csv"

    @examples(number)
    @given(TEXTS, TEXTS, LAYOUTS, st.sampled_from([5, 1 << 20]))
    def check(above: str, below: str, layout: Layout, block: int) -> None:
        monkeypatch.setattr(delimited, "BLOCK_BYTES", block)
        text = f"{above}\nclient_id,client_name\n{below}"
        lines = list(io.StringIO(text, newline=""))
        layout = replace(layout, records=(), header=Header(row=len(list(io.StringIO(above + "\n", newline=""))) + 1))
        path.write_text(text, encoding="utf-8", newline="")
        try:
            rows = open_text(path, examine(path), KNOWN, layout=layout)
            found = listed(rows)
        except Unreadable:
            return
        titles = lines[: (layout.header.row or 1) - 1]
        cells = csv.reader(lines[len(titles) + 1 :], strict=True)
        expected = sum(bool(line.strip("\r\n")) for line in titles) + sum(bool(row) for row in cells)
        assert len(found) + rows.tally.above + rows.tally.footer == expected

    check()


CELLS = st.sampled_from([None, "", " ", "a", "C2", 5, True, "client_id"])


@pytest.mark.parametrize("number", PROFILES)
def test_no_row_of_a_sheet_is_lost_by_a_layout(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.ods"

    @examples(number)
    @given(st.lists(st.lists(CELLS, max_size=3), max_size=8), st.integers(0, 4), LAYOUTS)
    def check(rows: list[list[Any]], titles: int, layout: Layout) -> None:
        sheet = [*rows[:titles], ["client_id", "client_name"], *rows[titles:]]
        path.write_bytes(ods(sheet))
        layout = replace(layout, sheet=None, header=Header(row=len(rows[:titles]) + 1))
        opened = open_text(path, examine(path), KNOWN, layout=layout)
        expected = sum(any(cell not in (None, "") for cell in row) for row in rows)
        assert len(listed(opened)) + opened.tally.above + opened.tally.footer == expected

    check()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(
    st.dictionaries(st.sampled_from(["client_id", "client_name", "x", "é"]), VALUES, min_size=1), max_size=8
)


@pytest.mark.parametrize("number", PROFILES)
@pytest.mark.slow
def test_no_row_of_json_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    @examples(number)
    @given(OBJECTS, st.sampled_from([1, 5, 1 << 20]), st.booleans())
    def check(objects: list[dict[str, Any]], chunk: int, escaped: bool) -> None:
        monkeypatch.setattr(decompression, "CHUNK", chunk)
        (tmp_path / "a.json").write_text(json.dumps(objects, ensure_ascii=escaped, indent=1), "utf-8")
        (tmp_path / "a.ndjson").write_text(
            "".join(json.dumps(each, ensure_ascii=escaped) + "\n" for each in objects), "utf-8"
        )
        array, lines = by_the_reader(tmp_path / "a.json"), by_the_reader(tmp_path / "a.ndjson")
        assert array is not None
        assert array == lines
        assert len(array) == 1 + len(objects)
        for (number_of_row, fields), each in zip(array[1:], objects, strict=True):
            assert objects[number_of_row - 1] == each
            for title, cell in zip(array[0], fields, strict=True):
                if isinstance(each.get(title), str):
                    assert cell == each[title]
                if each.get(title) is None:
                    assert cell is None

    check()
