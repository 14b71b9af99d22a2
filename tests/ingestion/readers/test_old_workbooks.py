"""Workbooks that are no .xlsx: read as an .xlsx with the same cells, or refused with what they are."""

from __future__ import annotations

import struct
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from amkpi.ingestion.readers import Layout
from amkpi.ingestion.readers.record_batches import ERROR_CELL, MERGED_CELL, UNSAVED_CELL
from tests.ingestion.readers.old_workbooks import ERROR, ZERO, compound, ods, ods_cell, xls, xlsb
from tests.ingestion.readers.test_formats import xlsx
from tests.ingestion.readers.test_layouts import opened, refusal
from tests.ingestion.readers.test_readers import listed

ROWS: list[list[Any]] = [
    ["id", "name", "amount", "x"],
    ["D1", "Đà Nẵng", 12.125, ERROR],
    [],
    ["D2", None, 1_500_000, ZERO],
]
MAKERS = {"ods": ods, "xlsb": xlsb, "xls": xls}


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_the_cells_of_other_workbooks_are_those_of_xlsx(tmp_path: Path, kind: str) -> None:
    rows = opened(tmp_path, f"a.{kind}", MAKERS[kind](ROWS))
    assert rows.header == ("id", "name", "amount", "x")
    (batch,) = rows.batches
    assert batch.column("_kinds").to_pylist() == ["ttnt", "ttnn"]
    assert listed(opened(tmp_path, f"a.{kind}", MAKERS[kind](ROWS))) == [
        (2, ["D1", "Đà Nẵng", "12.125", ERROR_CELL]),
        (4, ["D2", "", "1500000", "0"]),
    ]
    assert rows.tally.saved_zeros == 1
    assert "(D4)" in rows.tally.notes[0]


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_sheet_of_another_workbook_is_taken_by_its_name(tmp_path: Path, kind: str) -> None:
    content = MAKERS[kind]([["cover"]], [["id"], ["1", ERROR]])
    rows = opened(tmp_path, f"a.{kind}", content, Layout(sheet="sheet2", native=True))
    assert listed(rows) == [(2, f'["1", "{ERROR_CELL}"]')]


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.xlsb", "a.xlsm"])
@pytest.mark.parametrize("content", [xls(ROWS), xlsb(ROWS), xlsx(["id", "name"], ["D1", "x"])])
def test_a_workbook_is_read_by_its_content_whatever_its_ending(tmp_path: Path, name: str, content: bytes) -> None:
    assert listed(opened(tmp_path, name, content))[0][1][0] == "D1"


def test_dates_of_an_ods_are_dates(tmp_path: Path) -> None:
    rows = opened(tmp_path, "a.ods", ods([["id"], [date(2024, 3, 5)]]))
    (batch,) = rows.batches
    assert (batch.column("c0").to_pylist(), batch.column("_kinds").to_pylist()) == (["2024-03-05"], ["d"])


def test_merged_and_repeated_cells_of_an_ods_are_found(tmp_path: Path) -> None:
    spans = 'table:number-rows-spanned="2" table:number-columns-spanned="1"'
    covered = "<table:covered-table-cell/>"
    formula = '<table:table-cell table:formula="of:=A1"/>'
    content = ods(
        f"<table:table-row>{ods_cell('id')}{ods_cell('name')}{ods_cell('x')}</table:table-row>"
        f"<table:table-row>{ods_cell('1')}{ods_cell('One', spans)}{formula}</table:table-row>"
        f"<table:table-row>{ods_cell('2')}{covered}{ods_cell(5)}</table:table-row>"
        f'<table:table-row table:number-rows-repeated="2">{ods_cell("3")}{ods_cell(ERROR)}</table:table-row>'
    )
    assert listed(opened(tmp_path, "a.ods", content)) == [
        (2, ["1", "One", UNSAVED_CELL]),
        (3, ["2", MERGED_CELL, "5"]),
        (4, ["3", ERROR_CELL, ""]),
        (5, ["3", ERROR_CELL, ""]),
    ]


def test_merged_cells_of_an_xlsb_are_found(tmp_path: Path) -> None:
    content = xlsb([["id", "name"], ["1", "One"], ["2"]], merges=[(1, 2, 1, 1)])
    assert listed(opened(tmp_path, "a.xlsb", content)) == [(2, ["1", "One"]), (3, ["2", MERGED_CELL])]


def encrypted_zip_part() -> bytes:
    return ods([["id"]], manifest='<manifest:encryption-data manifest:checksum-type="x"/>')


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xlsx", compound({"EncryptionInfo": b"x", "EncryptedPackage": b"x"})),
        ("a.xls", xls(ROWS, password=True)),
        ("a.ods", encrypted_zip_part()),
    ],
)
def test_a_workbook_with_a_password_is_told_as_such(tmp_path: Path, name: str, content: bytes) -> None:
    assert "has a password: save it without one" in refusal(tmp_path, name, content)


FAR = '<table:table-row table:number-rows-repeated="1000000"/>'
WIDE = '<table:table-cell table:number-columns-repeated="16000"/>'
MANY = ods_cell("x", 'table:number-columns-repeated="16000"')
CORNERS = {
    "a.ods": ods(
        f"<table:table-row>{ods_cell('id')}</table:table-row>{FAR}<table:table-row>{WIDE}{ods_cell(1)}</table:table-row>"
    ),
    "b.ods": ods(f'<table:table-row table:number-rows-repeated="1000000">{MANY}</table:table-row>'),
    "a.xlsb": xlsb([["id"], *[[]] * 9_999, [*[None] * 200, "x"]]),
    "a.xls": xls([["id"], *[[]] * 60_000, [*[None] * 200, "x"]]),
}


@pytest.mark.parametrize("name", sorted(CORNERS))
def test_a_sheet_with_a_cell_at_the_far_corner_does_not_fill_memory(tmp_path: Path, name: str) -> None:
    assert "though only" in refusal(tmp_path, name, CORNERS[name])


@pytest.mark.parametrize(
    "content", [compound({"Other": b"x"}), compound({"Workbook": b"x"})[:700], b"\xd0\xcf\x11\xe0"]
)
def test_a_compound_file_without_a_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "not readable as XLS" in refusal(tmp_path, "a.xls", content)


def test_an_xls_that_claims_more_rows_than_memory_holds_is_refused(tmp_path: Path) -> None:
    # The library takes memory for the claimed rows, and ends the process where it gets none.
    whole = xls([["client_id"], ["C1"]])
    dimensions = struct.pack("<HH", 0x200, 14)
    place = whole.index(dimensions) + len(dimensions)
    claimed = struct.pack("<IIHH", 0, 0xFFFF_FFF0, 0, 0xFFF0)
    content = whole[:place] + claimed + whole[place + len(claimed) :]
    assert "it is damaged; open it in Excel" in refusal(tmp_path, "a.xls", content)


@pytest.mark.parametrize("content", [b"<html><table>", b"id\tname\n1\tx\n", b""])
def test_text_that_is_named_xls_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    assert "this is not a workbook; rename delimited text to .csv" in refusal(tmp_path, "a.xls", content)


def test_an_ods_that_declares_entities_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", '<!DOCTYPE x [<!ENTITY a "ha">]><x>&a;</x>')
    assert "entities" in refusal(tmp_path, "a.ods", path.read_bytes())
