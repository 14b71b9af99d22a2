"""Layouts: where the table of a native file is, in text and in workbooks."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from amkpi.ingestion.readers import CANONICAL, Layout, TextRows, Unreadable, examine, open_text
from amkpi.ingestion.readers.layout import Header, StopAt
from amkpi.ingestion.readers.table_rows import joined_names
from tests.ingestion.readers.test_readers import listed

NATIVE = Layout(native=True)
KNOWN = frozenset({"id", "name", "amount"})
TABLE = ("id", "name", "amount")


def opened(tmp_path: Path, name: str, content: bytes | str, layout: Layout = NATIVE) -> TextRows:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_text(path, examine(path), KNOWN, layout=layout)


def refusal(tmp_path: Path, name: str, content: bytes | str, layout: Layout = NATIVE) -> str:
    with pytest.raises(Unreadable) as caught:
        list(opened(tmp_path, name, content, layout).batches)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sheet(*rows: list[Any], merges: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        page = book.add_worksheet("Data")
        for merge in merges:
            page.merge_range(merge, "")
        for y, row in enumerate(rows):
            for x, cell in enumerate(row):
                if cell is not None:
                    page.write(y, x, cell)
    return out.getvalue()


def as_file(kind: str, rows: list[list[Any]]) -> bytes:
    """The rows as a file of the kind; a row without cells is a blank line, or an empty row."""
    if kind == "xlsx":
        return sheet(*rows)
    return "".join(",".join("" if cell is None else str(cell) for cell in row) + "\n" for row in rows).encode()


REPORT: list[list[Any]] = [
    ["Report of June"],
    [],
    ["made by", "A", "B", "C", "D"],
    ["id", "name", "amount"],
    ["(text)", "(text)", "(number)"],
    ["1", "One", "10"],
    ["2", "Two", "20"],
    [],
    ["Total", None, "30"],
    [],
    ["Confidential"],
]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("header", [Header(row=4), Header(contains=("Amount", "ID "))])
@pytest.mark.parametrize("stop", [StopAt(empty_row=True), StopAt(column="Id", matches=re.compile("^Total"))])
def test_a_report_is_read_without_its_titles_and_totals_which_are_counted(
    tmp_path: Path, kind: str, header: Header, stop: StopAt
) -> None:
    layout = Layout(header=header, skip_after_header=1, stop_at=stop, native=True)
    rows = opened(tmp_path, f"a.{kind}", as_file(kind, REPORT), layout)
    assert rows.header == TABLE
    assert listed(rows) == [(6, ["1", "One", "10"]), (7, ["2", "Two", "20"])]
    assert (rows.tally.above, rows.tally.footer) == (3, 2)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_empty_row_right_below_the_header_is_not_the_end(tmp_path: Path, kind: str) -> None:
    content = as_file(kind, [["id", "name"], [], ["1", "One"], [], ["Total"]])
    rows = opened(tmp_path, f"a.{kind}", content, Layout(stop_at=StopAt(empty_row=True), native=True))
    assert listed(rows) == [(3, ["1", "One"])]
    assert rows.tally.footer == 1


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_skipped_rows_are_counted_as_a_person_sees_them(tmp_path: Path, kind: str) -> None:
    content = as_file(kind, [["id", "name"], [], ["1", "One"]])
    rows = opened(tmp_path, f"a.{kind}", content, Layout(skip_after_header=1, native=True))
    assert listed(rows) == [(3, ["1", "One"])]
    assert rows.tally.above == 0


def test_a_line_of_delimiters_alone_is_an_empty_row(tmp_path: Path) -> None:
    layout = Layout(stop_at=StopAt(empty_row=True), native=True)
    rows = opened(tmp_path, "a.csv", "id,name\n1,One\n , \nTotal,\nx\n", layout)
    assert listed(rows) == [(2, ["1", "One"])]
    assert rows.tally.footer == 3


def test_a_row_begins_on_its_physical_line_below_a_header_with_line_ends(tmp_path: Path) -> None:
    text = 'Report\n"id","the\nname",amount\n"u\nv",x,y\n1,"O\nne",10\n'
    rows = opened(tmp_path, "a.csv", text, Layout(header=Header(contains=("the name",)), skip_after_header=1))
    assert rows.header == ("id", "the\nname", "amount")
    assert listed(rows) == [(6, ["1", "O\nne", "10"])]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("header", [Header(row=3, height=2), Header(contains=("Mã", "Số tiền / Nợ"), height=2)])
def test_a_header_of_two_rows_is_joined(tmp_path: Path, kind: str, header: Header) -> None:
    content = as_file(kind, [["Chi phí"], [], ["Mã", "Số tiền"], [None, "Nợ", "Có"], ["CP1", "5", "6"]])
    rows = opened(tmp_path, f"a.{kind}", content, Layout(header=header, native=True))
    assert rows.header == ("Mã", "Số tiền / Nợ", "Số tiền / Có")
    assert listed(rows) == [(5, ["CP1", "5", "6"])]


def test_equal_texts_and_empty_cells_of_a_header_are_not_repeated() -> None:
    assert joined_names([["A", "", "B", "C", ""], ["A", "x", "", "C", ""], ["", "y", "", "", ""]]) == [
        "A",
        "A / x / y",
        "B / x",
        "C",
    ]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_header_that_is_not_found_is_told_with_the_nearest_row(tmp_path: Path, kind: str) -> None:
    layout = Layout(header=Header(contains=("id", "name", "sum")), native=True)
    message = refusal(tmp_path, f"a.{kind}", as_file(kind, REPORT), layout)
    assert "4 lacks only sum" in message
    layout = Layout(header=Header(row=2), native=True)
    assert "header.row" in refusal(tmp_path, f"a.{kind}", as_file(kind, REPORT), layout)
    layout = Layout(header=Header(row=200), native=True)
    assert "header.row" in refusal(tmp_path, f"a.{kind}", as_file(kind, REPORT), layout)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize(("layout", "remedy"), [(Layout(native=True), "add header"), (CANONICAL, "delete the rows")])
def test_a_header_below_titles_is_refused_with_the_key_that_reads_it(
    tmp_path: Path, kind: str, layout: Layout, remedy: str
) -> None:
    message = refusal(tmp_path, f"a.{kind}", as_file(kind, REPORT), layout)
    assert remedy in message
    assert "header: {row: 4}" in message


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize(
    "layout", [Layout(fill_down=("sum",)), Layout(stop_at=StopAt(column="sum", matches=re.compile("x")))]
)
def test_a_key_that_names_no_column_is_refused(tmp_path: Path, kind: str, layout: Layout) -> None:
    assert "lacks the column sum" in refusal(tmp_path, f"a.{kind}", as_file(kind, [["id", "name"], ["1"]]), layout)


def test_a_column_whose_name_has_two_lines_is_told_on_one(tmp_path: Path) -> None:
    said = refusal(tmp_path, "a.csv", 'name,"x\ny"\na,b\n', Layout(fill_down=("id",), native=True))
    assert said.endswith("name, x y")


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_empty_cell_has_the_value_above_where_that_is_declared(tmp_path: Path, kind: str) -> None:
    content = as_file(kind, [["id", "name", "amount"], [None, "a", 1], ["S1", None, 1], [" ", None, 2], ["S2", "b", 3]])
    rows = opened(tmp_path, f"a.{kind}", content, Layout(fill_down=("ID",), native=True))
    assert [fields[:2] for _, fields in listed(rows)] == [["", "a"], ["S1", ""], ["S1", ""], ["S2", "b"]]


def test_a_column_of_a_name_that_is_there_twice_is_named_by_its_number(tmp_path: Path) -> None:
    rows = opened(tmp_path, "a.csv", "x,x\na,b\n,\n", Layout(fill_down=("X#2",), native=True))
    assert listed(rows) == [(2, ["a", "b"]), (3, ["", "b"])]
    assert "lacks the column x#3" in refusal(tmp_path, "a.csv", "x,x\n", Layout(fill_down=("x#3",), native=True))


def test_a_malformed_row_is_not_filled(tmp_path: Path) -> None:
    rows = opened(tmp_path, "a.csv", "id,name\nS1,a\n,b,c\n,d\n", Layout(fill_down=("id",), native=True))
    assert listed(rows) == [(2, ["S1", "a"]), (3, '["", "b", "c"]'), (4, ["S1", "d"])]


def test_a_delimiter_at_the_end_of_every_row_is_forgiven_and_told(tmp_path: Path) -> None:
    text = "id;name\n" + "1;One;\n" * 6 + "3;T;x\n4;Four\n"
    rows = opened(tmp_path, "a.csv", text)
    assert listed(rows)[5:] == [(7, ["1", "One"]), (8, '["3", "T", "x"]'), (9, '["4", "Four"]')]
    assert "every row ends with the delimiter ';'" in rows.tally.notes[0]
    quick = opened(tmp_path, "b.csv", "id;name\n1;One;\n2;Two;\n")
    assert listed(quick) == [(2, ["1", "One"]), (3, ["2", "Two"])]
    beyond = opened(tmp_path, "c.csv", "id;name\n" + "1;One;\n" * 6 + "3;T;x\n")
    assert listed(beyond)[6:] == [(8, '["3", "T", "x"]')]


def test_a_delimiter_at_the_end_of_one_row_is_not_forgiven(tmp_path: Path) -> None:
    # Cty A, B without quotes: read as One, its name would lose a part.
    rows = opened(tmp_path, "a.csv", "id,name,amount\n1,Cty A, B,\n2,Two,20\n")
    assert listed(rows) == [(2, '["1", "Cty A", " B", ""]'), (3, ["2", "Two", "20"])]
    canonical = opened(tmp_path, "a.csv", "id;name\n1;One;\n", CANONICAL)
    assert listed(canonical) == [(2, '["1", "One", ""]')]


def test_a_txt_without_a_delimiter_is_told(tmp_path: Path) -> None:
    assert "delimiter of this .txt is unclear" in refusal(tmp_path, "a.txt", "id   name   amount\n1    One    5\n")
    assert listed(opened(tmp_path, "a.txt", "id\tname\n1\tOne\n")) == [(2, ["1", "One"])]
    assert listed(opened(tmp_path, "b.txt", "id\n1\n")) == [(2, ["1"])]
