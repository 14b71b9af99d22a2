"""Native cells as people and systems write them: read exactly, or refused with the key that decides."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import xlsxwriter

from amkpi.ingestion.contracts.native_line import LINES
from amkpi.ingestion.mappings.apply import apply
from amkpi.ingestion.mappings.files import MappingError, from_text
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.mappings.values.dates import DateReader, date_formats
from amkpi.ingestion.mappings.values.numbers import PRESETS
from amkpi.ingestion.readers import TextRows, Unreadable, batch_schema, examine, open_text, read_csv
from amkpi.ingestion.readers.record_batches import UNSAVED_CELL, batch
from tests.ingestion.readers.old_workbooks import xls, xlsb
from tests.paths import ROOT

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def mapping(columns: str, keys: str = "", extract: str = "project_costs") -> Mapping:
    """A mapping with these rules; columns of project_costs that they lack are constants."""
    given = {line.split(":")[0].strip() for line in columns.splitlines()}
    others = {"cost_id": "c", "project_id": "p", "cost_date": "2026-01-01", "amount": "1", "currency": "VND"}
    rest = [f"  {name}: {{ constant: {value} }}" for name, value in others.items() if name not in given]
    body = "\n".join([columns, *(rest if extract == "project_costs" else [])])
    return from_text("m", f"file: x\nextract: {extract}\n{keys}\ncolumns:\n{body}\n", "m.yml", ZONE)


def made(tmp_path: Path, of: Mapping, text: str) -> list[dict[str, object]]:
    """The rows that the mapping makes of a CSV file."""
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    return rows(apply(of, read_csv(tmp_path / "x.csv", "utf-8-sig", of.native_columns)))


def rows(found: TextRows) -> list[dict[str, object]]:
    names = [*found.header, "_line"]
    return [
        dict(zip(names, [row[f"c{place}"] for place in range(len(found.header))] + [row["_line"]], strict=True))
        for each in found.batches
        for row in each.to_pylist()
    ]


@pytest.mark.parametrize(
    ("preset", "text", "number"),
    [
        ("vi", "1.234.567,89 ₫", "1234567.89"),
        ("vi", "(950.000)", "-950000"),
        ("vi", "12 500 000", "12500000"),
        ("vi", "12\u00a0500\u202f000", None),  # two kinds of spaces in one number
        ("vi", "12\u202f500\u202f000", "12500000"),
        ("vi", "450.000", "450000"),
        ("vi", "450.00", None),
        ("vi", "VND 450.000", "450000"),
        ("vi", "450.000đ", "450000"),
        ("vi", "1.500-", "-1500"),
        ("vi", "\u22121.500", "-1500"),
        ("vi", "12,5%", "0.125"),
        ("vi", "(-5)", None),
        ("vi", "₫ 5 VND", None),
        ("vi", "5 triệu", None),
        ("en", "$1,234.50", "1234.5"),
        ("en", "(US$1,234.50)", "-1234.5"),
        ("en", "1.234,50", None),
        ("ch", "1'234.50", "1234.5"),
        ("plain", "450.000", "450"),
        ("plain", "1,234", None),
    ],
)
def test_numbers_are_read_as_people_write_them(preset: str, text: str, number: str | None) -> None:
    assert PRESETS[preset].read(text) == number


def test_three_digits_behind_a_point_are_refused_until_the_mapping_says_what_they_are(tmp_path: Path) -> None:
    csv = "Amount\n450.000\n450.00\n0.125\n1234.500\n"
    silent = [row["amount"] for row in made(tmp_path, mapping("  amount: Amount"), csv)]
    assert silent == [
        "450.000 (450.000 can be 450 or 450000: the mapping needs number: vi, en or plain)",
        "450.00",
        "0.125",
        "1234.500",
    ]
    plain = mapping("  amount: { column: Amount, number: plain }")
    assert [row["amount"] for row in made(tmp_path, plain, csv)] == ["450", "450", "0.125", "1234.5"]
    scaled = mapping("  amount: { column: Amount, scale: 1000 }")
    assert str(made(tmp_path, scaled, csv)[0]["amount"]).startswith("450.000 (450.000 can be")


def test_an_amount_with_the_sign_of_another_currency_than_its_rows_is_refused(tmp_path: Path) -> None:
    of = mapping("  amount: { column: Amount, number: en }\n  currency: Currency")
    csv = "Amount,Currency\nUSD 5,USD\nUSD 5,VND\n$5,AUD\n₫5,USD\n5,VND\n"
    assert [row["amount"] for row in made(tmp_path, of, csv)] == [
        "5",
        "5 USD (the currency of the row is VND)",
        "5",
        "5 VND (the currency of the row is USD)",
        "5",
    ]


@pytest.mark.parametrize(
    ("formats", "text", "day"),
    [
        (("d/M/yyyy h:mm:ss a",), "9/3/2024 2:05:33 CH", "2024-03-09"),
        (("d/M/yyyy h:mm:ss a",), "9/3/2024 12:05:33 SA", "2024-03-09"),
        (("yyyy/MM/dd h:mm:ss a 'GMT'X",), "2024/03/09 11:58:01 CH GMT+7", "2024-03-09"),
        (("d/M/yyyy", "d/M/yy", "excel"), "05/03/24", "2024-03-05"),
        (("d/M/yyyy", "d/M/yy", "excel"), "45356", "2024-03-05"),
        (("excel",), "45356.999", "2024-03-05"),
        (("iso",), "2024-03-05 00:00:00", "2024-03-05"),
        (("iso",), "2024-02-29T17:00:00Z", "2024-03-01"),
        (("iso",), "2024-03-31T17:00:00.123+00:00", "2024-04-01"),
        (("iso",), "2024-04-01T00:00:00+07:00", "2024-04-01"),
        (("epoch",), "1709226000", "2024-03-01"),
        (("epoch_ms",), "1709226000000", "2024-03-01"),
        # As a program writes it that has only floats. Half a millisecond is no moment.
        (("epoch_ms",), "1709226000000.0", "2024-03-01"),
        (("epoch_ms",), "1709226000000.5", None),
        (("epoch",), "45356", None),
        (("d/M/yyyy",), "31/02/2024", None),
    ],
)
def test_dates_are_the_agencys_days(formats: tuple[str, ...], text: str, day: str | None) -> None:
    assert DateReader(date_formats(formats), ZONE).read(text, timestamp=False) == day


def _xlsx(rows: list[list[object]], *, is_1904: bool) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "date_1904": is_1904}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xlsx", _xlsx([["Day", "Amount"], [43894, 43894]], is_1904=True)),
        ("a.xlsb", xlsb([["Day", "Amount"], [43894, 43894]], is_1904=True)),
        ("a.xls", xls([["Day", "Amount"], [43894, 43894]], is_1904=True)),
        ("b.xlsx", _xlsx([["Day", "Amount"], [45356, 43894]], is_1904=False)),
        ("b.xlsb", xlsb([["Day", "Amount"], [45356, 43894]])),
        ("b.xls", xls([["Day", "Amount"], [45356, 43894]])),
    ],
)
def test_a_serial_is_the_day_that_its_workbook_means_by_it(tmp_path: Path, name: str, content: bytes) -> None:
    of = mapping("  cost_date: { column: Day, date_format: [d/M/yyyy, excel] }\n  amount: Amount")
    path = tmp_path / name
    path.write_bytes(content)
    (row,) = rows(apply(of, open_text(path, examine(path), of.native_columns, layout=of.layout)))
    assert (row["cost_date"], row["amount"]) == ("2024-03-05", "43894")


def test_the_day_of_a_moment_can_stay_as_it_is_written() -> None:
    assert DateReader(date_formats(["iso"])).read("2024-02-29T17:00:00Z", timestamp=False) == "2024-02-29"


def test_a_moment_without_an_offset_is_of_the_zone_that_the_mapping_says_and_a_day_is_a_day(tmp_path: Path) -> None:
    of = mapping("  cost_date: { column: Day, date_format: iso }", "time_zone: local\nwritten_in: UTC")
    csv = "Day\n2024-02-29 17:00:00\n2024-02-29\n2024-02-29T16:59:59\n"
    assert [row["cost_date"] for row in made(tmp_path, of, csv)] == ["2024-03-01", "2024-02-29", "2024-02-29"]
    # Midnight in Tokyo is the day before in Vietnam, but a day without a time is no midnight.
    tokyo = mapping("  cost_date: { column: Day, date_format: iso }", "time_zone: local\nwritten_in: Asia/Tokyo")
    assert [row["cost_date"] for row in made(tmp_path, tokyo, csv)] == ["2024-02-29"] * 3


@pytest.mark.parametrize(
    ("columns", "keys", "message"),
    [
        ("  cost_date: { column: D, date_format: iso }", "", "time_zone: is missing"),
        ("  cost_date: { column: D, date_format: epoch }", "", "time_zone: is missing"),
        ("  cost_date: { column: D, date_format: [d/M/yyyy, M/d/yyyy] }", "", "as different days: keep one"),
        ("  cost_date: { column: D, date_format: [dd/MM/yy, yy/MM/dd] }", "", "as different days: keep one"),
        ("  amount: { column: A, number: vi, decimal: ',' }", "", "remove decimal and thousands"),
        ("  amount: { column: A, number: de }", "", "columns.amount.number"),
        ("  amount: { column: A, values: { a: 1, ' A ': 2 } }", "", "is given twice: case and spaces do not matter"),
        ("  amount: { column: A, values: { 1: [a, b], 2: [b] } }", "", "'b' is given twice, as 1 and as 2"),
        ("  cost_id: { id_from: [A], values: { a: b } }", "", "id_from makes the id"),
        ("  amount: { id_from: [A] }", "", "id_from makes the id"),
        ("  project_id: { column: A, lookup: { extract: project, by: x } }", "", "did you mean projects?"),
        ("  project_id: { column: A, lookup: { extract: staff, by: mail } }", "", "did you mean email?"),
        ("  amount: A", "header: { row: 3, contains: A }", "give one of them"),
        ("  amount: A", "header: { rows: 3 }", "did you mean row?"),
        ("  amount: A", "stop_at: { column: A }", "column and matches go together"),
        ("  amount: A", "stop_at: { column: A, matches: '(' }", "is not a regular expression"),
        ("  amount: A", "unpivot: { name: N, columns: [A, B] }", "value goes with columns"),
        ("  amount: A", "unpivot: { name: N, rows: { a: { X: A }, b: { Y: B } } }", "needs the same new columns"),
        (
            "  cost_id: { column: A, lookup: { extract: projects, by: project_name } }",
            "snapshot: true",
            "snapshot: needs the ids of its key",
        ),
        ("  amount: A", "written_in: UTC", "needs time_zone"),
        ("  amount: A", "time_zone: local\nwritten_in: Hanoi", "is not a time zone"),
        ("  amount: A", "skip_after_header: two", "skip_after_header: must be a whole number, not 'two'"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused_with_the_fix(columns: str, keys: str, message: str) -> None:
    with pytest.raises(MappingError) as caught:
        mapping(columns, keys)
    assert message in str(caught.value)


def test_several_native_values_have_one_value_and_case_does_not_matter(tmp_path: Path) -> None:
    of = mapping("  department: { column: Team, values: { design: [Creative, Đồ họa], Media: media } }")
    csv = "Team\ncreative\n ĐỒ HỌA \nMEDIA\nOther\n"
    assert [row["department"] for row in made(tmp_path, of, csv)] == ["design", "design", "media", "Other"]


def test_a_typed_cell_is_never_read_by_a_format_for_texts() -> None:
    of = mapping(
        "  amount: { column: Amount, number: vi, scale: 2 }\n  cost_date: { column: Day, date_format: dd/MM/yyyy }"
    )
    native = batch(
        [["12.125", "2024-05-03"], ["12.125", "03/05/2024"], ["1.500.000", "2024-03-05T14:05:33"]], [2, 3, 4], 2
    )
    native = native.append_column("_kinds", [["nd", "tt", "td"]])
    assert native.schema == batch_schema(2, has_kinds=True)
    found = rows(apply(of, TextRows(("Amount", "Day"), iter([native]), has_kinds=True)))
    assert [(row["amount"], row["cost_date"]) for row in found] == [
        ("24.25", "2024-05-03"),
        ("24250", "2024-05-03"),
        ("3000000", "2024-03-05"),
    ]


def test_an_error_cell_never_becomes_a_value() -> None:
    of = mapping(
        "  department: { column: Team, values: { a: b, otherwise: other } }\n"
        "  project_id: { sql: \"coalesce(Team, 'none') || '-x'\" }\n"
        "  cost_id: { id_from: [Team] }"
    )
    native = batch([[UNSAVED_CELL], ["a"]], [2, 3], 1).append_column("_kinds", [["t", "t"]])
    error, fine = rows(apply(of, TextRows(("Team",), iter([native]), has_kinds=True)))
    assert [error[name] for name in ("department", "project_id", "cost_id")] == [UNSAVED_CELL] * 3
    assert (fine["department"], fine["project_id"]) == ("b", "a-x")


def test_equal_rows_of_a_file_are_rows_with_ids_that_stay_the_same(tmp_path: Path) -> None:
    of = mapping("  cost_id: { id_from: [Day, Task] }\n  amount: Amount")
    csv = "Day,Task,Amount\n2024-03-04,Design,40\n2024-03-04,Design,40\n2024-03-05,Design,20\n,,1\n"
    ids = [row["cost_id"] for row in made(tmp_path, of, csv)]
    assert ids[1] == f"{ids[0]}-2"
    assert len({*ids[:3]}) == 3
    assert ids[3] is None
    assert [row["cost_id"] for row in made(tmp_path, of, csv)] == ids


def test_a_column_that_is_there_several_times_is_named_by_its_number(tmp_path: Path) -> None:
    of = mapping("  department: Sprint#2\n  amount: A#1")
    found = made(tmp_path, of, "Sprint,A#1,Sprint\nS1,5,S2\n")
    assert [(row["department"], row["amount"]) for row in found] == [("S2", "5")]


def test_a_wide_form_gives_a_row_for_each_person(tmp_path: Path) -> None:
    keys = "unpivot: { name: Who, rows: { NV1: { T: T1, M: M1 }, NV2: { T: T2, M: M2 } } }\nwhere: '\"Who\" <> Own'"
    of = mapping("  project_id: Who\n  department: T\n  amount: M", keys)
    native = "Own,T1,M1,T2,M2\nNV3,a,1,b,2\nNV2,a,,b,3\nNV3,,,c,4\n"
    source = made(tmp_path, of, native)
    assert [(row["_line"], row["project_id"], row["department"], row["amount"]) for row in source] == [
        (2, "NV1", "a", "1"),
        (2 + LINES, "NV2", "b", "2"),
        (3, "NV1", "a", ""),
        (4 + LINES, "NV2", "c", "4"),
    ]


def test_a_list_of_columns_gives_name_and_value_and_empty_cells_give_no_row(tmp_path: Path) -> None:
    of = mapping("  department: Month\n  amount: Cost", "unpivot: { name: Month, value: Cost, columns: [T1, T2] }")
    read = read_csv(_file(tmp_path, "P,T1,T2\np,5,\nq,,6\nr,,\ns,1\n"), "utf-8-sig", of.native_columns)
    found = rows(apply(of, read))
    assert [(row["department"], row["amount"]) for row in found] == [("T1", "5"), ("T2", "6"), (None, None)]
    # Four empty cells; the malformed row is not a row of empty cells.
    assert read.tally.filtered == 4


def test_a_cell_with_a_list_gives_a_row_for_each_part(tmp_path: Path) -> None:
    of = mapping("  department: Labels\n  amount: A", "split: { column: Labels, by: ';' }")
    found = made(tmp_path, of, "Labels,A\na; b ;,1\n,2\nc,3\n")
    assert [(row["_line"], row["department"], row["amount"]) for row in found] == [
        (2, "a", "1"),
        (2 + LINES, "b", "1"),
        (3, "", "2"),
        (4, "c", "3"),
    ]


def test_an_id_that_a_spreadsheet_has_shortened_is_refused(tmp_path: Path) -> None:
    of = mapping("  cost_id: Id\n  department: Id")
    (row,) = made(tmp_path, of, "Id\n1.23457E+11\n")
    assert "a spreadsheet has shortened this id" in str(row["cost_id"])
    assert row["department"] == "1.23457E+11"


def test_decomposed_names_and_filters_are_compared_in_composed_unicode(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", """where: '"Trạng thái" = ''Đang hợp tác'''""")
    of = mapping("  department: Tên", decomposed)
    found = made(tmp_path, of, unicodedata.normalize("NFD", "Tên,Trạng thái\na,Đang hợp tác\nb,Đã dừng\n"))
    assert [row["department"] for row in found] == ["a"]
    patterned = of.model_copy(update={"file": ("*khách hàng*.csv",)})
    assert patterned.takes(unicodedata.normalize("NFD", "Khách hàng tháng 6.csv"))


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_models_have_the_same_number_for_rows_of_one_native_row() -> None:
    macro = (ROOT / "dbt_project" / "macros" / "native_line.sql").read_text(encoding="utf-8")
    assert f"% {LINES})" in macro


@pytest.mark.parametrize("keys", ["fill_down: [Sprint]", "stop_at: { column: Sprint, matches: x }"])
def test_a_key_about_a_column_that_is_there_several_times_is_refused(tmp_path: Path, keys: str) -> None:
    of = mapping("  department: Sprint#2", keys)
    (tmp_path / "x.csv").write_text("Sprint,Sprint\nS1,S2\n", encoding="utf-8")
    with pytest.raises(Unreadable, match="Sprint is there 2 times, as Sprint and Sprint: name the one that is meant"):
        list(read_csv(tmp_path / "x.csv", "utf-8-sig", of.native_columns, layout=of.layout).batches)
