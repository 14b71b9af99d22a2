"""The texts cover the declaration, their examples load, and the templates are what the loader takes."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import python_calamine

from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.contracts.texts import Texts, texts, uncovered
from amkpi.ingestion.templates import GUIDE, write_template
from tests.command_line import amkpi, failed
from tests.conftest import Agency


def names(extract: str) -> list[str]:
    return [column.name for column in EXTRACTS[extract].all_columns]


def examples(extract: str, *changes: dict[str, str]) -> str:
    """A CSV of the examples of an extract: a row, and one more for each of the changes."""
    row = {name: texts().column(extract, name).example for name in names(extract)}
    out = io.StringIO()
    writer = csv.DictWriter(out, names(extract))
    writer.writeheader()
    writer.writerows(row | change for change in changes or ({},))
    return out.getvalue()


def test_the_texts_cover_exactly_what_is_declared() -> None:
    assert uncovered(texts()) == []


def test_a_text_too_few_or_too_many_is_found() -> None:
    whole = texts().model_dump()
    whole["extracts"]["clients"]["columns"]["size"] = whole["extracts"]["clients"]["columns"].pop("industry")
    del whole["reasons"]["bad_type"]
    assert uncovered(Texts(**whole)) == [
        "- reasons: bad_type",
        "- clients columns: industry",
        "+ clients columns: size",
    ]


def test_every_text_says_something_in_both_languages() -> None:
    def found(value: object, path: str) -> None:
        for name, inner in value.items() if isinstance(value, dict) else ():
            found(inner, f"{path}.{name}")
        assert value != "", path

    found(texts().model_dump(), "texts")


@pytest.mark.slow
def test_the_examples_together_are_an_agency_that_loads_whole(agency: Agency) -> None:
    changes: dict[str, tuple[dict[str, str], ...]] = {
        "staff": ({}, {"staff_id": "NV-003", "manager_id": ""}),
        # A target is a person's or a role's.
        "kpi_targets": ({"role": ""}, {"staff_id": ""}),
    }
    report = agency.load({f"{name}/{name}.csv": examples(name, *changes.get(name, ())) for name in EXTRACTS})
    assert report.count("loaded") == len(EXTRACTS)
    assert report.rows_read == len(EXTRACTS) + 2
    agency.build()
    assert agency.rows("select extract, reason, column_name, raw_row from marts.quarantined_rows") == []


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
@pytest.mark.slow
def test_every_template_loads_with_no_row(agency: Agency, tmp_path: Path, ending: str) -> None:
    for extract in EXTRACTS.values():
        write_template(extract, tmp_path / "templates")
    files = {path.stem: path.read_bytes() for path in (tmp_path / "templates").glob(f"*{ending}")}
    assert files.keys() == EXTRACTS.keys()
    report = agency.load({f"{name}/{name}{ending}": content for name, content in files.items()})
    assert [(each.extract, each.status, each.reason, each.rows_read) for each in report.deliveries] == [
        (name, "loaded", None, 0) for name in sorted(EXTRACTS)
    ]


def test_the_workbook_begins_with_the_canonical_names_and_explains_them_on_its_second_sheet(tmp_path: Path) -> None:
    for extract in EXTRACTS.values():
        sheet, _ = write_template(extract, tmp_path)
        book = python_calamine.CalamineWorkbook.from_path(str(sheet))
        assert book.sheet_names == [extract.name, GUIDE]
        assert book.get_sheet_by_index(0).to_python(skip_empty_area=False) == [names(extract.name)]
        guide = book.get_sheet_by_index(1).to_python()
        rows = {str(row[0]): [str(cell) for cell in row] for row in guide}
        for column in extract.all_columns:
            row = rows[column.name]
            assert texts().column(extract.name, column.name).note.vi in row
            assert (row[4] == "có / yes") == column.required
            for choice in column.choices:
                assert choice in row[6]


def test_the_csv_shows_diacritics_in_excel(tmp_path: Path) -> None:
    _, text = write_template(EXTRACTS["clients"], tmp_path)
    assert text.read_bytes() == b"\xef\xbb\xbfclient_id,client_name,industry,updated_at,is_deleted\r\n"


def test_the_same_template_is_the_same_bytes(tmp_path: Path) -> None:
    first, _ = write_template(EXTRACTS["proposals"], tmp_path / "a")
    second, _ = write_template(EXTRACTS["proposals"], tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text("filled in")
    with pytest.raises(FileExistsError):
        write_template(EXTRACTS["clients"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["clients.csv"]


def test_a_sheet_of_an_extract_without_texts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_template(replace(EXTRACTS["clients"], name="customers"), tmp_path)


def test_the_command_writes_both_files_and_says_where(tmp_path: Path) -> None:
    result = amkpi(None, "sources", "template", "kpi_targets", "--dir", str(tmp_path))
    assert result.code == 0
    assert result.stdout.split() == [str(tmp_path / "kpi_targets.xlsx"), str(tmp_path / "kpi_targets.csv")]
    guide = python_calamine.CalamineWorkbook.from_path(str(tmp_path / "kpi_targets.xlsx")).get_sheet_by_index(1)
    assert "on_time_delivery_rate: Tỷ lệ giao đúng hạn" in str(guide.to_python())


@pytest.mark.parametrize(("arguments", "says"), [(["client"], "there are: clients"), (["clients"], "there already")])
def test_the_command_tells_in_one_line_what_is_wrong(tmp_path: Path, arguments: list[str], says: str) -> None:
    write_template(EXTRACTS["clients"], tmp_path)
    assert says in failed(amkpi(None, "sources", "template", *arguments, "--dir", str(tmp_path)), 1)


def test_a_template_that_excel_filled_in_keeps_ids_dates_and_amounts(agency: Agency, tmp_path: Path) -> None:
    sheet, _ = write_template(EXTRACTS["fx_rates"], tmp_path)
    clients, _ = write_template(EXTRACTS["clients"], tmp_path)
    # As Excel saves them: text as text, a date as its day's number in a cell of the column's style.
    day = (date(2026, 9, 30) - date(1899, 12, 30)).days
    filled = {
        "fx_rates/rates.xlsx": with_row(sheet, "USD", day, 26120.5),
        "clients/clients.xlsx": with_row(clients, "0042", "Công ty CP Sữa Bình Minh"),
    }
    assert agency.load(filled).count("loaded") == 2
    assert agency.rows("select currency, rate_date, rate, _reason from parsed.fx_rates") == [
        ("USD", date(2026, 9, 30), 26120.5, None)
    ]
    assert agency.rows("select client_id, client_name, _reason from parsed.clients") == [
        ("0042", "Công ty CP Sữa Bình Minh", None)
    ]


def with_row(template: Path, *cells: str | float) -> bytes:
    """The workbook with a second row on its first sheet, each cell in its column's style."""
    out = io.BytesIO()
    with zipfile.ZipFile(template) as book, zipfile.ZipFile(out, "w") as filled:
        for name in book.namelist():
            content = book.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                styles = {
                    place: style
                    for low, high, style in re.findall(r'<col min="(\d+)" max="(\d+)" [^>]*style="(\d+)"', content)
                    for place in range(int(low), int(high) + 1)
                }
                row = "".join(
                    f'<c r="{chr(64 + place)}2" s="{styles[place]}" t="inlineStr"><is><t>{cell}</t></is></c>'
                    if isinstance(cell, str)
                    else f'<c r="{chr(64 + place)}2" s="{styles[place]}"><v>{cell}</v></c>'
                    for place, cell in enumerate(cells, 1)
                )
                content = content.replace("</sheetData>", f'<row r="2">{row}</row></sheetData>')
            filled.writestr(name, content)
    return out.getvalue()
