"""JSON, Parquet, Excel and packed text: the same rows as the CSV that says the same."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
import zstandard

from amkpi.ingestion.readers import TextRows, Unreadable, decompression, examine, open_text
from tests.ingestion.readers.test_readers import KNOWN, listed

LIMIT = 10_000_000
# Excel and Parquet have moments without a zone.
DAY = datetime.fromisoformat("2026-01-02")


def opened(tmp_path: Path, name: str, content: bytes | str, limit: int = LIMIT) -> TextRows:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_text(path, examine(path, limit), KNOWN, limit)


def read(tmp_path: Path, name: str, content: bytes | str, limit: int = LIMIT) -> list[Any]:
    rows = opened(tmp_path, name, content, limit)
    return [rows.header, *listed(rows)]


def refusal(tmp_path: Path, name: str, content: bytes | str, limit: int = LIMIT) -> str:
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, name, content, limit)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_array_of_objects_has_the_keys_of_all_and_counts_rows(tmp_path: Path) -> None:
    content = '\n[{"client_id": "C1", "client_name": null},\n\n {"Note": "x", "client_id": "C2"} ]\n'
    assert read(tmp_path, "a.json", content) == [
        ("client_id", "client_name", "Note"),
        (1, ["C1", None, None]),
        (2, ["C2", None, "x"]),
    ]


@pytest.mark.parametrize("name", ["a.ndjson", "a.JSONL"])
def test_an_object_a_line_counts_physical_lines(tmp_path: Path, name: str) -> None:
    content = '{"client_id": "C1"}\r\n\n   \n{"client_id": "C2", "x": "a\\nb"}'
    assert read(tmp_path, name, content) == [("client_id", "x"), (1, ["C1", None]), (4, ["C2", "a\nb"])]


def test_json_numbers_stay_as_written_and_the_rest_becomes_text(tmp_path: Path) -> None:
    content = '[{"a": 1.50, "b": 1e400, "c": true, "d": false, "e": [1, {"f": "é"}], "g": -0, "h": NaN, "i": ""}]'
    ((_, fields),) = read(tmp_path, "a.json", content)[1:]
    assert fields == ["1.50", "1e400", "true", "false", '["1", {"f": "é"}]', "-0", "NaN", ""]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1258"])
def test_json_may_be_in_any_of_the_encodings(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, "a.json", '[{"client_id": "Đà"}]'.encode(encoding))[1:] == [(1, ["Đà"])]


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", ""), ("a.json", " [ ] "), ("a.ndjson", ""), ("a.ndjson", "\n")]
)
def test_json_without_rows_is_empty(tmp_path: Path, name: str, content: str) -> None:
    assert read(tmp_path, name, content) == [()]


def test_an_element_that_is_not_an_object_is_a_malformed_row(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '[{"client_id": "C1"}, null, 5, ["x"]]')[1:] == [
        (1, ["C1"]),
        (2, "[null, null]"),
        (3, '["5", null]'),
        (4, '["[\\"x\\"]", null]'),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"client_id": "C1"}', ".ndjson"),
        ('[{"client_id": "C1"}', "row 1"),
        ('[{"client_id": "C1"} {"client_id": "C2"}]', "row 1"),
        ('[{"client_id": "C1"},]', "row 2"),
        ('[{"client_id": "C1"}] x', "after the array"),
        ('[{"client_id": "C1", "client_id": "C2"}]', "client_id twice"),
        ('[{"client_id": "\\ud800"}]', "half a character"),
        ('[{"\\ud800": "x"}]', "half a character"),
        ("[{}]", "no"),
        ("[" * 100_000, "too deeply"),
        ('[{"a": ' + "[" * 100_000, "too deeply"),
        ("12", "not an array"),
    ],
)
def test_json_that_is_broken_is_refused_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(tmp_path, "a.json", content)


def test_a_broken_line_of_ndjson_is_named(tmp_path: Path) -> None:
    assert "line 3" in refusal(tmp_path, "a.ndjson", '{"client_id": "C1"}\n\n{"client_id": \n')
    assert "too deeply" in refusal(tmp_path, "a.ndjson", '{"a": ' + "[" * 100_000)


def test_json_is_read_across_the_ends_of_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"client_id": f"C{i}", "client_name": 'Nguyễn \\ " \n' * (i % 3), "n": i} for i in range(50)]
    array = json.dumps(rows, ensure_ascii=False, indent=1)
    lines = "\r\n".join(json.dumps(row) for row in rows)
    whole = read(tmp_path, "a.json", array)
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr(decompression, "CHUNK", size)
        assert read(tmp_path, "a.json", array) == whole
        assert read(tmp_path, "a.ndjson", lines) == whole


def parquet(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def test_parquet_cells_become_the_text_a_person_would_write(tmp_path: Path) -> None:
    moment = DAY.replace(hour=3, minute=4, second=5)
    table = pa.table(
        {
            "text": ["x", None],
            "whole": pa.array([7, None], pa.int64()),
            "float": pa.array([5.0, 0.1], pa.float64()),
            "small": pa.array([0.1, 123456789.0], pa.float32()),
            "large": pa.array([123456789012.0, float("nan")], pa.float64()),
            "money": pa.array([Decimal("12.50"), None], pa.decimal128(18, 2)),
            "flag": [True, False],
            "day": pa.array([date(2026, 1, 2), None], pa.date32()),
            "midnight": pa.array([DAY, moment], pa.timestamp("us")),
            "zoned": pa.array([datetime(2026, 1, 2, tzinfo=UTC), None], pa.timestamp("ms", "Asia/Ho_Chi_Minh")),
            "category": pa.array(["a", "b"]).dictionary_encode(),
            "list": pa.array([[1, 2], None], pa.list_(pa.int64())),
            "bytes": pa.array([b"abc", b"\xff"], pa.binary()),
            "nothing": pa.nulls(2),
        }
    )
    header, (_, first), (line, second) = read(tmp_path, "a.parquet", parquet(table))
    assert header == tuple(table.column_names)
    assert first == [
        *("x", "7", "5", "0.1", "123456789012", "12.50", "true", "2026-01-02", "2026-01-02"),
        *("2026-01-02 07:00:00.000+0700", "a", "[1, 2]", "616263", None),
    ]
    assert line == 2
    assert second[:9] == [None, None, "0.1", "123456792", "nan", None,
                          "false", None, "2026-01-02 03:04:05.000000"]  # fmt: skip


@pytest.mark.slow
def test_parquet_lines_are_the_rows_numbers(tmp_path: Path) -> None:
    table = pa.table({"client_id": [f"C{i}" for i in range(120_000)]})
    rows = read(tmp_path, "a.parquet", parquet(table, row_group_size=33_333))[1:]
    assert [line for line, _ in rows] == list(range(1, 120_001))
    assert rows[-1] == (120_000, ["C119999"])


def test_parquet_without_rows_has_its_header(tmp_path: Path) -> None:
    assert read(tmp_path, "a.parquet", parquet(pa.table({"client_id": pa.array([], pa.string())}))) == [("client_id",)]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"client_id\nC1\n"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "not readable as Parquet" in refusal(tmp_path, "a.parquet", content)


def test_parquet_cut_short_is_refused(tmp_path: Path) -> None:
    content = parquet(pa.table({"client_id": [f"C{i}" for i in range(1000)]}))
    for end in (10, len(content) // 2, len(content) - 1):
        assert "not readable as Parquet" in refusal(tmp_path, "a.parquet", content[:end])
    broken = content[:20] + b"\xff" * 200 + content[220:]
    assert "not readable as Parquet" in refusal(tmp_path, "a.parquet", broken)


@pytest.mark.slow
def test_parquet_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    content = parquet(pa.table({"client_id": pa.repeat(pa.scalar("x" * 1000), 200_000).dictionary_encode()}))
    assert len(content) < 100_000
    assert "max_unpacked_bytes" in refusal(tmp_path, "a.parquet", content)


def xlsx(*rows: list[Any], sheets: int = 1, **options: Any) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    formats = {
        date: book.add_format({"num_format": "dd/mm/yyyy"}),
        datetime: book.add_format({"num_format": "dd/mm/yyyy hh:mm"}),
    }
    for number in range(sheets):
        sheet = book.add_worksheet()
        for y, row in enumerate(rows if number == 0 else [["another"]]):
            for x, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(y, x, cell, formats[type(cell)])
                elif cell is not None:
                    sheet.write(y, x, cell)
    book.close()
    return out.getvalue()


def test_xlsx_cells_become_canonical_text_with_the_sheets_row_numbers(tmp_path: Path) -> None:
    content = xlsx(
        [],
        ["client_id", "client_name", "industry", "x"],
        [1001, 2.5, date(2026, 1, 2), True],
        [],
        ["C2", None, DAY.replace(hour=3, minute=4), 123456789012],
        ["007", DAY, 1e21, False],
        sheets=2,
    )
    assert read(tmp_path, "a.XLSX", content) == [
        ("client_id", "client_name", "industry", "x"),
        (3, ["1001", "2.5", "2026-01-02", "true"]),
        (5, ["C2", "", "2026-01-02T03:04:00", "123456789012"]),
        (6, ["007", "2026-01-02", "1e+21", "false"]),
    ]


def test_xlsx_in_the_calendar_of_1904_has_the_same_dates(tmp_path: Path) -> None:
    content = xlsx(["client_id"], [date(2026, 1, 2)], default_date_format="", **{"date_1904": True})
    assert read(tmp_path, "a.xlsx", content)[1:] == [(2, ["2026-01-02"])]


def test_xlsx_cells_beyond_the_header_make_a_row_malformed(tmp_path: Path) -> None:
    content = xlsx(["client_id", "client_name", ""], ["C1", "x", "", "beyond"], ["C2", "y"])
    assert read(tmp_path, "a.xlsx", content) == [
        ("client_id", "client_name"),
        (2, '["C1", "x", "", "beyond"]'),
        (3, ["C2", "y"]),
    ]


def test_a_cell_whose_formula_failed_is_not_empty(tmp_path: Path) -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(2, 1, ["client_id", "client_name", "x"])
    sheet.write_row(4, 1, ["C1", "One"])
    sheet.write_formula(4, 3, "=1/0", None, "#DIV/0!")
    book.add_worksheet().write_formula(0, 0, "=1/0", None, "#N/A")
    book.close()
    assert read(tmp_path, "a.xlsx", out.getvalue())[1:] == [(5, ["C1", "One", "(an error in the workbook)"])]


def test_title_rows_above_the_header_are_refused_with_the_row_of_the_header(tmp_path: Path) -> None:
    content = xlsx(["Clients of 2026"], [], ["client_id", "client_name"], ["C1", "One"])
    assert "row 3" in refusal(tmp_path, "a.xlsx", content)
    message = refusal(tmp_path, "a.csv", "Clients of 2026\n\nclient_id;client_name\nC1;One\n")
    assert "2 lines below" in message


def test_an_empty_sheet_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path, "a.xlsx", xlsx()) == [()]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"client_id\nC1\n"])
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "not readable as XLSX" in refusal(tmp_path, "a.xlsx", content)


def test_the_first_sheet_that_is_shown_is_read(tmp_path: Path) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        lists = book.add_worksheet("lists")
        lists.write_row(0, 0, ["client_id", "client_name"])
        lists.write_formula(1, 0, "=1/0", None, "#N/A")
        lists.hide()
        shown = book.add_worksheet("Khách hàng")
        shown.write_row(0, 0, ["client_id", "client_name"])
        shown.write_row(1, 0, ["C1", "One"])
        shown.activate()
        book.add_worksheet("more").write_row(0, 0, ["client_id", "client_name"])
    assert read(tmp_path, "a.xlsx", out.getvalue()) == [("client_id", "client_name"), (2, ["C1", "One"])]


def test_an_empty_first_sheet_before_one_with_cells_is_refused_rather_than_no_rows(tmp_path: Path) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.add_worksheet()
        book.add_worksheet("Khách hàng").write_row(0, 0, ["client_id", "client_name"])
    assert "the sheet Khách hàng is not: move the table" in refusal(tmp_path, "a.xlsx", out.getvalue())


def test_blanks_beyond_the_header_are_nothing(tmp_path: Path) -> None:
    content = xlsx(["client_id", "client_name", "  "], ["C1", "x", " ", "\u00a0"])
    assert read(tmp_path, "a.xlsx", content) == [("client_id", "client_name"), (2, ["C1", "x"])]


@pytest.mark.parametrize(
    ("name", "content", "fix"),
    [
        ("a.csv", xlsx(["client_id"]), "rename a workbook to .xlsx"),
        ("a.json", gzip.compress(b"[]", mtime=0), "rename it to end in .gz"),
        ("a.csv", zstandard.ZstdCompressor().compress(b"x"), "rename it to end in .zst"),
        ("a.csv.gz", xlsx(["client_id"]), "rename a workbook to .xlsx, and a zip to .zip"),
        ("a.csv.zst", gzip.compress(b"x", mtime=0), "rename it to end in .gz"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "rename it to .xls, or save it without a password"),
        ("a.xlsx", b"client_id\nC1\n", "rename delimited text to .csv"),
        ("a.xlsx", b"<html><table>", "save anything else as .xlsx"),
        ("a.csv", b"%PDF-1.7", "deliver the table"),
        ("a.csv", b"\xff\xd8\xff\xe0\x00\x10JFIF", "this is a picture; deliver the table"),
        ("a.csv", b"\x89PNG\r\n\x1a\n", "this is a picture; deliver the table"),
        ("a.csv", "client_id\nĐ\n".encode("utf-16-le"), "without a byte order mark"),
        ("a.ndjson", '{"client_id": "Đ"}'.encode("utf-16-be"), "without a byte order mark"),
    ],
)
def test_a_file_that_is_not_what_its_ending_says_is_refused_with_what_it_is(
    tmp_path: Path, name: str, content: bytes, fix: str
) -> None:
    assert fix in refusal(tmp_path, name, content)


CSV = b"client_id,client_name\n" + b"".join(b"C%d,Nguy\xe1\xbb\x85n\n" % i for i in range(1000))


def zst(content: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(content)


PACKERS = {"gz": gzip.compress, "zst": zst}


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_packed_text_reads_as_the_plain_text(tmp_path: Path, packing: str) -> None:
    pack = PACKERS[packing]
    plain = read(tmp_path, "a.csv", CSV)
    assert read(tmp_path, f"a.csv.{packing}", pack(CSV)) == plain
    assert read(tmp_path, f"a.CSV.{packing.upper()}", pack(CSV[:500]) + pack(CSV[500:])) == plain
    assert read(tmp_path, f"a.ndjson.{packing}", pack(b'{"client_id": "C1"}'))[1:] == [(1, ["C1"])]
    assert read(tmp_path, f"b.csv.{packing}", pack("client_id\nĐ\n".encode("utf-16")))[1:] == [(2, ["Đ"])]
    assert read(tmp_path, f"e.csv.{packing}", pack(b"")) == [()]


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_a_packed_file_that_breaks_off_is_refused(tmp_path: Path, packing: str) -> None:
    content = PACKERS[packing](CSV)
    for end in (1, 8, len(content) // 2, len(content) - 1):
        message = refusal(tmp_path, f"a.csv.{packing}", content[:end])
        assert "not readable as" in message
    assert "not readable as" in refusal(tmp_path, f"a.csv.{packing}", content + b"rubbish")
    assert "not readable as" in refusal(tmp_path, f"a.csv.{packing}", CSV)


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_a_bomb_is_refused_before_it_fills_memory(tmp_path: Path, packing: str) -> None:
    content = PACKERS[packing](b"client_id\n" + b"\0" * 50_000_000)
    message = refusal(tmp_path, f"a.csv.{packing}", content)
    assert "decompresses to more than 10000000 bytes" in message


@pytest.mark.parametrize("name", ["a", "a.doc", "a.parquet.gz", "a.xlsx.zst", "a.gz", "a.rar", "a.pdf", ".csv.gz.gz"])
def test_other_kinds_are_refused_with_the_kinds_that_are_read(tmp_path: Path, name: str) -> None:
    assert "deliver it as" in refusal(tmp_path, name, CSV)
