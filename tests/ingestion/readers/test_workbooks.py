"""Workbooks: typed cells, cells whose value cannot be trusted, and which sheet is read."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from amkpi.ingestion.readers import CANONICAL, Layout, workbook_scan
from amkpi.ingestion.readers.layout import Header, StopAt
from amkpi.ingestion.readers.record_batches import ERROR_CELL, MERGED_CELL, ROUNDED_CELL, UNSAVED_CELL
from tests.ingestion.readers.test_formats import DAY
from tests.ingestion.readers.test_layouts import NATIVE, opened, refusal, sheet
from tests.ingestion.readers.test_readers import listed


def with_sheet_xml(cells: str, after: str = "") -> bytes:
    """A workbook of one sheet whose rows are this XML."""
    content = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        f"{cells}</sheetData>{after}</worksheet>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sheet(["id"]))) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            is_sheet = item.filename.startswith("xl/worksheets/")
            new.writestr(item.filename, content if is_sheet else old.read(item))
    return out.getvalue()


def text(place: str, value: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'


HEADER = f'<row r="1">{text("A1", "id")}{text("B1", "name")}{text("C1", "amount")}</row>'


def test_the_kinds_of_typed_cells_go_with_their_texts(tmp_path: Path) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, ["id", "name", "amount", "day", "yes"])
        page.write_row(1, 0, ["12.125", "One", 12.125])
        page.write_datetime(1, 3, DAY.replace(hour=3, minute=4), book.add_format({"num_format": "d/m/yy hh:mm"}))
        page.write_boolean(1, 4, True)
        page.write_datetime(2, 3, date(2024, 3, 5), book.add_format({"num_format": "dd-mmm-yy"}))
        page.write_number(3, 3, 45356)
    rows = opened(tmp_path, "a.xlsx", out.getvalue())
    assert rows.has_kinds
    (batch,) = rows.batches
    assert batch.column("_kinds").to_pylist() == ["ttndb", "tttdt", "tttnt"]
    assert batch.column("c3").to_pylist() == ["2026-01-02T03:04:00", "2024-03-05", "45356"]
    canonical = opened(tmp_path, "a.xlsx", out.getvalue(), CANONICAL)
    assert not canonical.has_kinds
    assert "_kinds" not in next(canonical.batches).column_names


@pytest.mark.parametrize(
    ("number", "is_kept"),
    [
        (123456789012345678, False),
        (123456789012345000, False),
        (-1234567890123456, False),
        (123456789012345, True),
        (1_500_000_000_000_000, True),
        (1e21, True),
        (1234567890123.25, True),
    ],
)
def test_an_id_that_the_workbook_has_rounded_is_an_error(tmp_path: Path, number: float, is_kept: bool) -> None:
    content = with_sheet_xml(f'{HEADER}<row r="2"><c r="A2"><v>{number!r}</v></c></row>')
    ((_, fields),) = listed(opened(tmp_path, "a.xlsx", content))
    assert (fields[0] != ROUNDED_CELL) is is_kept


UNSAVED = ["<f>1+1</f>", "<f>1+1</f><v/>", '<f t="shared" si="0"/><v></v>', "<f>1+1</f><v> </v>", "<f/><v></v>"]


@pytest.mark.parametrize("formula", UNSAVED)
@pytest.mark.parametrize("chunk", [64, 1 << 20])
def test_a_formula_without_a_saved_value_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formula: str, chunk: int
) -> None:
    monkeypatch.setattr(workbook_scan, "CHUNK", chunk)
    cells = f'{HEADER}<row r="2">{text("A2", "1")}<c r="B2" s="0">{formula}</c><c r="C2"><v>5</v></c></row>'
    for layout in (NATIVE, CANONICAL):
        assert listed(opened(tmp_path, "a.xlsx", with_sheet_xml(cells), layout)) == [(2, ["1", UNSAVED_CELL, "5"])]


def test_a_formula_whose_value_is_an_empty_text_is_empty(tmp_path: Path) -> None:
    cells = f'{HEADER}<row r="2">{text("A2", "1")}<c r="B2" t="str"><f>IF(1,"")</f><v></v></c></row>'
    assert listed(opened(tmp_path, "a.xlsx", with_sheet_xml(cells))) == [(2, ["1", "", ""])]


def test_formulas_with_a_saved_zero_are_counted_and_named(tmp_path: Path) -> None:
    zero = "<f>SUM(A1)</f><v>0</v>"
    rows = "".join(
        f'<row r="{n}">{text(f"A{n}", str(n))}<c r="C{n}">{zero}</c><c r="D{n}">{zero}</c></row>' for n in range(2, 9)
    )
    total = f'<row r="9">{text("A9", "Total")}<c r="C9">{zero}</c></row>'
    layout = Layout(stop_at=StopAt(column="id", matches=re.compile("Total")), native=True)
    read = opened(tmp_path, "a.xlsx", with_sheet_xml(HEADER + rows + total), layout)
    assert len(listed(read)) == 7
    assert read.tally.saved_zeros == 7
    assert "7 formulas have the saved value 0 (C2, C3, C4, C5, C6, …)" in read.tally.notes[0]


def test_merged_cells_in_the_data_are_errors_but_the_first(tmp_path: Path) -> None:
    content = sheet(["id", "name", "amount"], ["1", "One"], ["2", None, 5], ["3", "Three", 6], merges=("B2:C3",))
    assert listed(opened(tmp_path, "a.xlsx", content)) == [
        (2, ["1", "One", MERGED_CELL]),
        (3, ["2", MERGED_CELL, MERGED_CELL]),
        (4, ["3", "Three", "6"]),
    ]


def test_merged_cells_are_filled_down_where_that_is_declared(tmp_path: Path) -> None:
    content = sheet(["id", "name", "amount"], ["1", "One", 4], ["2", None, 5], ["3", None, 6], merges=("B2:B4",))
    rows = opened(tmp_path, "a.xlsx", content, Layout(fill_down=("name",), native=True))
    assert [fields[1] for _, fields in listed(rows)] == ["One", "One", "One"]


def test_merged_cells_of_titles_headers_and_footers_are_no_errors(tmp_path: Path) -> None:
    content = sheet(
        ["Report"],
        ["id", "Số tiền"],
        [None, "Nợ", "Có"],
        ["1", 4, 5],
        [],
        ["Total"],
        merges=("A1:C1", "B2:C2", "A6:C6"),
    )
    layout = Layout(header=Header(row=2, height=2), stop_at=StopAt(empty_row=True), native=True)
    rows = opened(tmp_path, "a.xlsx", content, layout)
    assert rows.header == ("id", "Số tiền / Nợ", "Số tiền / Có")
    assert listed(rows) == [(4, ["1", "4", "5"])]


def test_the_heading_of_a_group_has_no_errors(tmp_path: Path) -> None:
    content = sheet(["id", "name", "amount"], ["Group A"], ["1", "One", 5], ["x", None, 6], merges=("A2:C2", "A4:B4"))
    assert listed(opened(tmp_path, "a.xlsx", content)) == [
        (2, ["Group A", "", ""]),
        (3, ["1", "One", "5"]),
        (4, ["x", MERGED_CELL, "6"]),
    ]


def test_an_empty_row_within_merged_cells_is_no_row(tmp_path: Path) -> None:
    content = sheet(["id", "name"], ["1", "One"], [], ["2", "Two"], merges=("A2:A3",))
    assert listed(opened(tmp_path, "a.xlsx", content)) == [(2, ["1", "One"]), (4, ["2", "Two"])]


def book_of(*sheets: tuple[str, list[list[Any]], bool]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        for name, rows, is_visible in sheets:
            page = book.add_worksheet(name)
            for y, row in enumerate(rows):
                page.write_row(y, 0, row)
            if not is_visible:
                page.hide()
        book.worksheets()[-1].activate()
    return out.getvalue()


COVER: list[list[Any]] = [["Report"], ["made by", "A"]]
SHEETS = book_of(
    ("lists", [["id", "name", "amount"], ["0", "list", 0]], False),
    ("Bìa", COVER, True),
    ("Chi tiết ", [["id", "name", "amount"], ["1", "One", 5]], True),
    ("Chi tiết 2", [["id", "name", "amount"], ["2", "Two", 6]], True),
)


@pytest.mark.parametrize(
    ("wanted", "row"),
    [("chi TIẾT", "1"), ("chi tiê\u0301t", "1"), (" Chi tiết 2", "2"), ("lists", "0"), (2, "1"), (3, "2"), (None, "1")],
)
def test_the_sheet_is_taken_by_its_name_its_number_or_its_columns(
    tmp_path: Path, wanted: str | int | None, row: str
) -> None:
    rows = opened(tmp_path, "a.xlsx", SHEETS, Layout(sheet=wanted, native=True))
    assert [fields[0] for _, fields in listed(rows)] == [row]
    told = ["sheet Chi tiết  of 3", "not read, though the columns are there too: Chi tiết 2"]
    assert rows.tally.notes == ([] if wanted is not None else told)


@pytest.mark.parametrize("wanted", ["Chi tiết 3", 0, 4, -1])
def test_a_sheet_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, wanted: str | int) -> None:
    assert "its sheets are: lists, Bìa" in refusal(tmp_path, "a.xlsx", SHEETS, Layout(sheet=wanted, native=True))


def test_an_error_cell_stays_an_error(tmp_path: Path) -> None:
    cells = f'{HEADER}<row r="2">{text("A2", "1")}<c r="B2" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
    assert listed(opened(tmp_path, "a.xlsx", with_sheet_xml(cells))) == [(2, ["1", ERROR_CELL, ""])]
