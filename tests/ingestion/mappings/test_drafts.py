"""Drafts of mappings: valid at once, with the formats that the values show and what to check."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import xlsxwriter

from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.mappings.drafts.draft import draft
from amkpi.ingestion.mappings.drafts.review import review
from amkpi.ingestion.mappings.files import from_text
from amkpi.ingestion.mappings.model import Mapping
from tests.paths import REAL_EXPORTS as REAL

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def text_of(tmp_path: Path, extract: str, rows: str, pattern: str = "x*.csv") -> str:
    path = tmp_path / "x.csv"
    path.write_text(rows, encoding="utf-8")
    text = draft(path, EXTRACTS[extract], pattern)
    # A draft is valid at once, whatever the file.
    from_text("draft", text, "draft.yml", ZONE)
    return text


def drafted(tmp_path: Path, header: list[str], extract: str, pattern: str = "x*.csv") -> Mapping:
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in header)
    text = text_of(tmp_path, extract, f"{quoted}\n{',' * (len(header) - 1)}\n", pattern)
    return from_text("draft", text, "draft.yml", ZONE)


def line(text: str, column: str) -> str:
    """The line of the draft for this column."""
    return next(each.strip() for each in text.splitlines() if each.startswith(f"  {column}:"))


def found(mapping: Mapping) -> dict[str, str | None]:
    return {name: rule.column for name, rule in mapping.columns.items()}


def test_a_canonical_header_maps_every_column_of_every_extract(tmp_path: Path) -> None:
    for extract in EXTRACTS.values():
        header = [column.name.replace("_", " ").title() for column in extract.all_columns]
        mapping = drafted(tmp_path, header, extract.name)
        assert mapping.extract == extract.name
        assert found(mapping) == dict(zip((column.name for column in extract.all_columns), header, strict=True))


def test_vietnamese_and_english_names_are_known_with_and_without_marks(tmp_path: Path) -> None:
    header = ["Mã khách hàng", "TEN KHACH HANG", "Ngành nghề", "Last Modified Date", "DA XOA"]
    assert found(drafted(tmp_path, header, "clients")) == {
        "client_id": "Mã khách hàng",
        "client_name": "TEN KHACH HANG",
        "industry": "Ngành nghề",
        "updated_at": "Last Modified Date",
        "is_deleted": "DA XOA",
    }


def test_a_bare_id_is_the_key_unless_a_better_name_is_there(tmp_path: Path) -> None:
    assert found(drafted(tmp_path, ["Id", "Name"], "clients")) == {"client_id": "Id", "client_name": "Name"}
    assert found(drafted(tmp_path, ["id", "account id", "name"], "clients"))["client_id"] == "account id"


def test_a_required_column_that_nothing_matches_is_empty_and_says_so(tmp_path: Path) -> None:
    text = text_of(tmp_path, "projects", "PID,Foo\nP1,x\n")
    assert line(text, "start_date") == (
        'start_date: { sql: "cast(null as varchar)" }  # CHECK: required, and nothing in the file looks like it'
    )
    assert line(text, "currency").startswith("currency: { constant: VND }  # CHECK")
    assert '#   "Foo"' in text
    assert "budget_amount" not in text


def test_a_native_column_serves_once_and_one_that_is_there_twice_not_at_all(tmp_path: Path) -> None:
    text = text_of(tmp_path, "proposals", "client id,Owner,owner\nC1,a,b\n")
    assert line(text, "client_id").startswith('client_id: "client id"')
    assert "owner_id" not in text


def test_names_full_of_signs_are_written_so_that_they_read_back(tmp_path: Path) -> None:
    assert 'id_from: ["Client \\"ID\\": #1"]' in text_of(
        tmp_path, "clients", '"Client ""ID"": #1","Client\nName"\na,b\n'
    )
    mapping = drafted(tmp_path, ["client_id", " Client-Name", "x\u2028client_id: y"], "clients", "we: [ird] #.csv")
    assert mapping.file == ("we: [ird] #.csv",)
    assert found(mapping) == {"client_id": "client_id", "client_name": "Client-Name"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2024-03-05", "2024-12-31"], 'cost_date: "Date"  # reads 2 of 2 different values'),
        (["25/03/2024", "05/03/2024"], "date_format: d/M/yyyy }  # reads 2 of 2 different values"),
        (["3/25/2024", "3/5/2024"], "date_format: M/d/yyyy }  # reads 2 of 2 different values"),
        (["03/04/2024"], "every date also reads as M/d/yyyy: 03/04/2024 would be 2024-03-04"),
        (["25/03/2024 9:05:33 SA"], 'date_format: "d/M/yyyy h:mm:ss a" }'),
        (["25/03/2024", "45356", "26/03/24"], "date_format: [d/M/yyyy, d/M/yy, excel] }"),
        (["03/Jan/24 9:15 AM"], 'date_format: "d/MMM/yy h:mm a" }'),
        (["soon", "later", "25/03/2024"], "CHECK: its values are no dates, such as 'soon'"),
        (
            ["25/03/2024", "26/03/2024", "soon"],
            "CHECK: reads 2 of 3 different values; rows with the others are held back",
        ),
    ],
)
def test_the_values_of_a_date_show_its_format(tmp_path: Path, values: list[str], expected: str) -> None:
    text = text_of(tmp_path, "project_costs", "Id,Date\n" + "".join(f"{n},{v}\n" for n, v in enumerate(values)))
    assert expected in line(text, "cost_date")


def test_a_moment_with_an_offset_gives_the_agencys_day(tmp_path: Path) -> None:
    text = text_of(tmp_path, "project_costs", "Id,Date,Amount\n1,2024-02-29T17:00:00Z,5\n")
    assert "\ntime_zone: local" in text
    assert "date_format: iso" in line(text, "cost_date")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1200.50", "7"], 'amount: "Amount"  # reads 2 of 2 different values'),
        (["1.234.567,89", "(950.000)"], "number: vi }  # reads 2 of 2 different values"),
        (["1,234.50", "$5"], "number: en }"),
        (["450.000"], "450.000 is 450000 here; with number: plain it is 450"),
        (["about 5"], "CHECK: its values are no numbers, such as 'about 5'"),
        (["5 - very good", "4 - good"], 'sql: "regexp_extract(\\"Amount\\", \'^[0-9]+\')" }  # CHECK: the number of'),
    ],
)
def test_the_values_of_a_number_show_its_format(tmp_path: Path, values: list[str], expected: str) -> None:
    text = text_of(tmp_path, "project_costs", "Id;Amount\n" + "".join(f"{n};{v}\n" for n, v in enumerate(values)))
    assert expected in line(text, "amount")


def test_words_are_mapped_where_they_are_known_and_named_where_not(tmp_path: Path) -> None:
    text = text_of(tmp_path, "proposals", "Id,Stage,Currency\n1,Đã ký,đ\n2,Closed Lost,USD\n3,Chờ,đ\n4,Chờ,USD\n")
    assert 'values: { "Đã ký": won, "Closed Lost": lost }' in line(text, "outcome")
    assert '# CHECK: nobody maps "Chờ" (rows: 2); they are held back' in text
    assert 'values: { "đ": VND }' in line(text, "currency")


def test_names_and_addresses_are_looked_up(tmp_path: Path) -> None:
    rows = "Task ID,Customer,Assignee Email\nT1,Hoa Mai,anh@agency.example\nT2,Á Đông,b@agency.example\n"
    text = text_of(tmp_path, "projects", rows)
    assert "lookup: { extract: clients, by: client_name }" in line(text, "client_id")
    assert "lookup: { extract: staff, by: email }" in line(text, "owner_id")
    by_id = text_of(tmp_path, "projects", "Task ID,Customer\nT1,KH1\n")
    assert line(by_id, "client_id") == 'client_id: "Customer"  # CHECK: its values look like ids'


def test_a_key_says_how_sure_it_is(tmp_path: Path) -> None:
    assert "different in all rows (2)" in line(text_of(tmp_path, "clients", "Id,Name\n1,a\n2,b\n"), "client_id")
    twice = line(text_of(tmp_path, "clients", "Id,Name\n1,a\n1,b\n"), "client_id")
    assert "CHECK: 1 keys are there several times, such as '1'" in twice
    made = line(text_of(tmp_path, "project_costs", "Day,Task,Hours\n1,a,2\n1,b,2\n2,a,2\n"), "cost_id")
    assert made.startswith('cost_id: { id_from: ["Day", "Task"] }  # CHECK')


def test_a_header_below_titles_and_totals_are_found(tmp_path: Path) -> None:
    rows = "DANH SÁCH,,\nNgày 30/06/2024,,\nMã kh,Tên kh,Nợ\nKH1,Hoa Mai,5\nKH2,Á Đông,6\nTổng cộng,,11\n"
    text = text_of(tmp_path, "clients", rows)
    assert "header: { row: 3 }" in text
    assert 'stop_at: { column: "Mã kh", matches: "^Tổng" }' in text
    assert "different in all rows (2)" in line(text, "client_id")


def test_a_first_line_without_names_is_no_obstacle(tmp_path: Path) -> None:
    for first in ("sep=;", ""):
        text = text_of(tmp_path, "clients", f"{first}\nMã khách hàng;Tên khách hàng\nC1;Hoa Mai\n")
        assert line(text, "client_id").startswith('client_id: "Mã khách hàng"'), first


def test_merged_cells_are_filled_down(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Mã chi phí", "Mã dự án", "Ghi chú"])
        sheet.write_column(1, 0, ["CP1", "CP2", "CP3"])
        sheet.merge_range(1, 1, 2, 1, "DA01")
        sheet.merge_range(1, 2, 2, 2, "x")
        sheet.write(3, 1, "DA02")
    text = draft(path, EXTRACTS["project_costs"], "x*.xlsx")
    # Only where the mapping uses the column.
    assert 'fill_down: ["Mã dự án"]  # CHECK' in text
    assert "Ghi chú" not in text.split("# Not used:")[0]
    mapping = from_text("draft", text, "draft.yml", ZONE)
    assert [pair for pair, _ in review(path, mapping).values["project_id"]] == ["DA01", "DA02"]


def test_the_sheet_with_the_columns_is_found_and_a_year_in_the_name_may_change(tmp_path: Path) -> None:
    path = tmp_path / "Khách hàng 2026.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        book.add_worksheet("Hướng dẫn").write_row(0, 0, ["Xuất từ CRM"])
        book.add_worksheet("Dữ liệu").write_column(0, 0, ["DANH SÁCH"])
        sheet = book.get_worksheet_by_name("Dữ liệu")
        for number, row in enumerate([["Mã khách hàng", "Tên khách hàng", "Ghi chú"], ["KH1", "Hoa Mai", "x"]], 2):
            sheet.write_row(number, 0, row)
    text = draft(path, EXTRACTS["clients"], "*.xlsx")
    assert 'sheet: "Dữ liệu"  # CHECK' in text
    assert "header: { row: 3 }" in text
    assert set(found(from_text("draft", text, "draft.yml", ZONE))) == {"client_id", "client_name"}


def test_the_real_salesforce_header_lacks_only_its_currency_and_dates_of_its_rows(tmp_path: Path) -> None:
    path = REAL / "salesforce_opportunity.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    mapping = from_text("draft", draft(path, EXTRACTS["proposals"], "*.csv"), "draft.yml", ZONE)
    assert {name for name, rule in mapping.columns.items() if rule.column is None} == {"currency"}
