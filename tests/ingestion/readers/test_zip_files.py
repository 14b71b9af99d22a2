"""Zips: one file or several, read as one table within limits, or refused."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest

from amkpi.ingestion.readers import CANONICAL, Layout, Unreadable, examine, open_text, record_batches
from amkpi.ingestion.readers.layout import StopAt
from tests.ingestion.readers.old_workbooks import xls
from tests.ingestion.readers.test_formats import parquet, xlsx
from tests.ingestion.readers.test_layouts import KNOWN, opened, refusal
from tests.ingestion.readers.test_readers import listed


def zipped(*files: tuple[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


CSV = "id,name\nD1,One\nD2\n"
PARTS = zipped(("out/b.csv", "name;id;\nTwo;D3;\n"), ("out/a.csv", CSV), ("__MACOSX/out/._a.csv", b"x"), ("out/", ""))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("x/y/a.TXT", CSV.replace(",", "\t").encode("utf-16")),
        ("a.ndjson", '\n{"id": "D1", "name": "One"}\n5'),
        ("a.xlsx", xlsx(["id", "name"], ["D1", "One"], ["D2", None, "x"])),
        ("a.xls", xls([["id", "name"], ["D1", "One"], ["D2", None, "x"]])),
    ],
)
def test_the_one_file_of_a_zip_is_read_with_its_own_lines(tmp_path: Path, name: str, content: str | bytes) -> None:
    for layout in (CANONICAL, Layout(native=True)):
        rows = opened(tmp_path, "a.zip", zipped((name, content)), layout)
        assert rows.header == ("id", "name")
        first, second = listed(rows)
        assert first == (2, ["D1", "One"])
        assert second[0] == 3


def test_parquet_in_a_zip_is_read(tmp_path: Path) -> None:
    import pyarrow as pa

    rows = opened(tmp_path, "a.zip", zipped(("a.parquet", parquet(pa.table({"id": ["D1"]})))))
    assert listed(rows) == [(1, ["D1"])]


def test_files_with_the_same_columns_are_one_table_whose_lines_name_the_file(tmp_path: Path) -> None:
    content = zipped(("b.csv", "name;id\nTwo;D3\nx\n"), ("a.csv", CSV), ("c.xlsx", xlsx(["Id", "Name"], [5, "Five"])))
    rows = opened(tmp_path, "a.zip", content)
    assert rows.header == ("id", "name")
    assert listed(rows) == [
        (100_000_002, ["D1", "One"]),
        (100_000_003, '["D2"]'),
        (200_000_002, ["D3", "Two"]),
        (200_000_003, '["x"]'),
        (300_000_002, ["5", "Five"]),
    ]
    assert rows.tally.notes[1] == "file 2 is b.csv: its line 15 is 200000015"
    again = opened(tmp_path, "a.zip", content)
    assert [kinds for each in again.batches for kinds in each.column("_kinds").to_pylist()][-1] == "nt"


def test_what_the_parts_leave_out_is_counted_together(tmp_path: Path) -> None:
    layout = Layout(stop_at=StopAt(column="id", matches=re.compile("Total")), native=True)
    content = zipped(("a.csv", "id\n1\nTotal\n"), ("b.csv", "id\n2\u200b\nTotal\nx\n"), ("c.csv", ""))
    rows = opened(tmp_path, "a.zip", content, layout)
    assert [fields for _, fields in listed(rows)] == [["1"], ["2"]]
    assert (rows.tally.footer, rows.tally.cleaned) == (3, 1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("id,title\nD3,Two\n", "b.csv: it lacks name; only it has title"),
        ("id\nD3\n", "b.csv: it lacks name"),
        ("id,name,x\nD3,Two,x\n", "only it has x"),
    ],
)
def test_files_with_other_columns_are_refused_with_the_difference(tmp_path: Path, other: str, message: str) -> None:
    assert message in refusal(tmp_path, "a.zip", zipped(("a.csv", CSV), ("b.csv", other)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(), "no file in it"),
        (zipped(("a/", "")), "no file in it"),
        (zipped(("../a.csv", CSV)), "leads out of it"),
        (zipped(("/a.csv", CSV)), "leads out of it"),
        (zipped(("x/../../a.csv", CSV)), "leads out of it"),
        (zipped(("a.zip", zipped(("a.csv", CSV)))), "an archive in it (a.zip)"),
        (zipped(("a.csv.gz", b"x")), "an archive in it"),
        (zipped(("a.csv", CSV), ("readme.pdf", "x")), "ends in .pdf cannot be read"),
        (zipped(("a.csv", "id\n1,2,\"x")), "not readable as CSV: the row"),
        (zipped(("a.csv", xlsx(["id"]))), "a.csv: not readable as CSV: this is a zip or an Excel workbook"),
        (zipped(*((f"{n}.csv", CSV) for n in range(101))), "101 files, more than 100"),
        (b"PK\x03\x04", "not readable as zip"),
        (b"id\n1\n", "not readable as zip"),
    ],
)  # fmt: skip
def test_a_zip_that_must_not_or_cannot_be_read_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(tmp_path, "a.zip", content)


def test_a_zip_with_a_password_is_told_as_such(tmp_path: Path) -> None:
    content = bytearray(zipped(("a.csv", CSV)))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "the zip has a password" in refusal(tmp_path, "a.zip", bytes(content))


def test_a_zip_that_names_a_file_with_nothing_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("a.csv", CSV)))
    content[content.index(b"PK\x01\x02") + 46] = 0
    assert "a file without a name" in refusal(tmp_path, "a.zip", bytes(content))


def test_a_zip_that_is_damaged_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("a.csv", CSV)))
    content[content.index(b"PK\x01\x02") + 16] ^= 1
    assert "Bad CRC-32" in refusal(tmp_path, "a.zip", bytes(content))


def test_a_zip_that_decompresses_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(("a.csv", "id\n" + "x\n" * 100_000), ("b.csv", "id\n" + "x\n" * 100_000)))
    for limit in (150_000, 300_000):
        with pytest.raises(Unreadable, match="max_unpacked_bytes"):
            open_text(path, examine(path, limit), KNOWN, limit)


def test_a_part_with_too_many_lines_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batches, "LINES_OF_A_FILE", 3)
    content = zipped(("a.csv", "id,name\n"), ("b.csv", CSV))
    assert "b.csv: it has more than 3 lines" in refusal(tmp_path, "a.zip", content)
