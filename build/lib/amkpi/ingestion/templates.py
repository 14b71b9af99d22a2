"""Templates: empty files of an extract to fill in, as XLSX (with notes, lists and a guide) and as CSV."""

from __future__ import annotations

import csv
import errno
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from amkpi.core.language.translation import Language, Translation
from amkpi.ingestion.contracts.extracts import COMMON, EXTRACTS, Column, Extract
from amkpi.ingestion.contracts.texts import Texts, texts

GUIDE = "Hướng dẫn - Guide"  # the name of a sheet must not have a slash
# The last row with formats and lists. A longer sheet is the export of a system, not filled in by hand.
LAST_ROW = 100_000
_BOOLEANS = ("yes", "no")
# Ids keep their leading zeros only in cells that Excel treats as text.
_NUMBER_FORMATS = {
    "text": "@",
    "boolean": "@",
    "date": "yyyy-mm-dd",
    "timestamp": "yyyy-mm-dd hh:mm:ss",
    "number": "General",
}


def write_template(
    extract: Extract, directory: Path, kpi_labels: Mapping[str, Translation] | None = None
) -> tuple[Path, Path]:
    """Write `<extract>.xlsx` and `<extract>.csv` into the directory, which is created if missing; returns both paths.

    The header of both has the column names of the extract, in its order. kpi_labels: the names of the KPIs, for the
    guide of the targets. The same extract gives the same bytes. Raises FileExistsError if one of the files exists
    already (it may be filled in), before anything is written; else OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sheet, text = (directory / f"{extract.name}{ending}" for ending in (".xlsx", ".csv"))
    for path in (sheet, text):
        if path.exists():
            raise FileExistsError(errno.EEXIST, "is there already", str(path))
    # Without a byte order mark Excel reads the machine's own code page, not UTF-8.
    with text.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerow(column.name for column in extract.all_columns)
    _write_xlsx(extract, sheet, kpi_labels or {})
    return sheet, text


def choice_text(choice: str, kpi_labels: Mapping[str, Translation]) -> Translation:
    """The meaning of a choice; the choice itself if there is no text for it."""
    return texts().choices.get(choice) or kpi_labels.get(choice) or Translation(vi=choice, en=choice)


def _write_xlsx(extract: Extract, path: Path, kpi_labels: Mapping[str, Translation]) -> None:
    known = texts()
    with xlsxwriter.Workbook(path) as book:
        # A workbook contains its time of creation: with a fixed one, the same template has the same bytes.
        book.set_properties({"title": extract.name, "created": datetime(2026, 1, 1)})  # noqa: DTZ001
        sheet = book.add_worksheet(extract.name)
        heads = {
            needed: book.add_format({"bold": True, "font_color": ink, "bg_color": ground, "num_format": "@"})
            for needed, ink, ground in ((True, "#FFFFFF", "#1F4E79"), (False, "#1F4E79", "#DDEBF7"))
        }
        bodies = {kind: book.add_format({"num_format": form}) for kind, form in _NUMBER_FORMATS.items()}
        for place, column in enumerate(extract.all_columns):
            _write_column(sheet, place, column, extract, known, heads[column.required], bodies[column.type])
        sheet.freeze_panes(1, 0)
        _write_guide(book, extract, known, kpi_labels)


def _write_column(
    sheet: Worksheet, place: int, column: Column, extract: Extract, known: Texts, head: Format, body: Format
) -> None:
    words = known.column(extract.name, column.name)
    sheet.set_column(place, place, max(12, len(column.name) + 3), body)
    sheet.write_string(0, place, column.name, head)
    note = "\n".join(
        [words.note.vi, words.note.en, f"{'Bắt buộc / required' if column.required else 'Không bắt buộc / optional'}"]
    )
    sheet.write_comment(
        0, place, f"{note}\nVí dụ / example: {words.example}",
        {"author": "amkpi", "x_scale": 2.4, "y_scale": 1.8, "font_size": 9},
    )  # fmt: skip
    allowed = _BOOLEANS if column.type == "boolean" else column.choices
    if allowed:
        sheet.data_validation(
            1, place, LAST_ROW, place,
            {
                "validate": "list",
                "source": list(allowed),
                "error_title": column.name,
                "error_message": "Chọn một giá trị trong danh sách.\nChoose a value of the list.",
            },
        )  # fmt: skip
    elif column.type == "date":
        sheet.data_validation(
            1, place, LAST_ROW, place,
            {
                "validate": "date",
                "criteria": ">=",
                "value": datetime(1950, 1, 1),  # noqa: DTZ001
                "error_title": column.name,
                "error_message": "Nhập một ngày.\nEnter a date.",
            },
        )  # fmt: skip


def _write_guide(
    book: xlsxwriter.Workbook, extract: Extract, known: Texts, kpi_labels: Mapping[str, Translation]
) -> None:
    guide = book.add_worksheet(GUIDE)
    title = book.add_format({"bold": True, "font_size": 14})
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    strong = book.add_format({"bold": True, "valign": "top"})
    head = book.add_format({"bold": True, "font_color": "#FFFFFF", "bg_color": "#1F4E79", "text_wrap": True})
    its = known.extracts[extract.name]
    guide.write_string(0, 0, f"{its.label.vi} / {its.label.en} ({extract.name})", title)
    for row, line in enumerate(
        (
            its.note.vi,
            its.note.en,
            f"Khóa / key: {', '.join(extract.key)}. Dòng mới cùng khóa thay dòng cũ. / A new row of the same key"
            " replaces the old one.",
            f"Lưu vào / save in: landing/{extract.name}/ (.xlsx hoặc/or .csv UTF-8)",
        ),
        1,
    ):
        guide.write_string(row, 0, line)
    first = 6
    titles = (
        "Cột / Column", "Ý nghĩa", "Meaning", "Kiểu / Type", "Bắt buộc / Required",
        "Giá trị cho phép, quy tắc", "Allowed values, rules", "Ví dụ / Example",
    )  # fmt: skip
    for place, (name, width) in enumerate(zip(titles, (26, 46, 46, 18, 12, 46, 46, 24), strict=True)):
        guide.set_column(place, place, width)
        guide.write_string(first, place, name, head)
    for row, column in enumerate(extract.all_columns, first + 1):
        words = known.column(extract.name, column.name)
        kind = known.types[column.type].label
        cells = (
            words.note.vi,
            words.note.en,
            f"{kind.vi} / {kind.en}",
            "có / yes" if column.required else "không / no",
            "\n".join(limits(extract, column, "vi", kpi_labels)),
            "\n".join(limits(extract, column, "en", kpi_labels)),
            words.example,
        )
        guide.write_string(row, 0, column.name, strong)
        for place, cell in enumerate(cells, 1):
            guide.write_string(row, place, cell, wrapped)
    guide.freeze_panes(first + 1, 1)


def limits(extract: Extract, column: Column, language: Language, kpi_labels: Mapping[str, Translation]) -> list[str]:
    """The rules for a value of the column besides its type, one on each line."""
    vi = language == "vi"
    means = {choice: choice_text(choice, kpi_labels)[language] for choice in column.choices}
    lines = [c if meaning == c.replace("_", " ") else f"{c}: {meaning}" for c, meaning in means.items()]
    if column.type in ("date", "timestamp"):
        lines.append("yyyy-mm-dd" if column.type == "date" else "yyyy-mm-dd hh:mm:ss")
    if column.type == "boolean":
        lines.append("yes, no")
    if column.currency:
        lines.append("ba chữ in hoa, ví dụ VND, USD" if vi else "three capital letters, as in VND, USD")
        if extract.fx_date:
            since = f"vào {extract.fx_date} hoặc trước đó" if vi else f"on or before {extract.fx_date}"
            lines.append(f"cần tỷ giá {since}" if vi else f"needs a rate {since}")
    if column.at_least is not None:
        lines.append(f"≥ {column.at_least:g}")
    if column.above is not None:
        lines.append(f"> {column.above:g}")
    if column.references:
        key = EXTRACTS[column.references].key[0]
        lines.append(f"{'có trong' if vi else 'found in'} {column.references}.{key}")
    for later, earlier in extract.date_order:
        if column.name == later:
            lines.append(f"{'không trước' if vi else 'not before'} {earlier}")
    if column.default:
        lines.append(f"{'bỏ trống là' if vi else 'empty means'} {column.default}")
    if column.name in texts().extracts[extract.name].rules:
        lines.append(_rule(extract, column.name, language))
    if column.name in extract.key and column not in COMMON:
        lines.append("thuộc khóa" if vi else "part of the key")
    return lines


def _rule(extract: Extract, column: str, language: Language) -> str:
    vi = language == "vi"
    words = texts().extracts[extract.name].rules[column][language].replace("`", "")
    if column in dict(extract.needs):
        return f"{'bắt buộc' if vi else 'required'} {words}"
    if column in dict(extract.checks_range):
        return f"{'không được' if vi else 'must not be'} {words}"
    if column == "currency":
        return f"{'tỷ giá chỉ cần' if vi else 'a rate is needed only'} {words}"
    return words
