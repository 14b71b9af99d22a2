"""What `amkpi query` prints or writes: a table, Markdown, CSV, JSON, an Excel workbook or Parquet."""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from amkpi.core import terminal
from amkpi.core.errors import AmkpiError
from amkpi.core.language.names import plain
from amkpi.core.run import Run
from amkpi.interfaces.cli.streams import reader_is_gone
from amkpi.publishing.fence import Answer, Fence, Form, fenced

# A table, a page of Markdown and a sheet are held in memory. CSV, JSON and Parquet have no end.
MOST_ROWS = 100_000
BINARY = ("xlsx", "parquet")
# A text is shortened on a terminal down to this width, and nothing else is.
_LEAST_TEXT = 16
_GAP = "  "
# The columns of EXPLAIN, whose second one is a drawing.
_PLAN = ("explain_key", "explain_value")
_NUMBER = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL)\b")
ENDINGS = {".csv": "csv", ".json": "json", ".md": "markdown", ".parquet": "parquet", ".xlsx": "xlsx"}
_STREAMED: dict[str, Form] = {"csv": "csv", "json": "json", "parquet": "parquet"}
# A greater whole number is another one in a sheet, whose numbers are doubles.
_MOST_EXACT = 2**53


def query_as_given(run: Run, sql: str, form: str | None, output: Path | None) -> None:
    """`show_query` as a command is given it. sql: `-` stands for standard input. form: None for that of the output."""
    if form is None:
        form = ENDINGS.get(output.suffix.lower(), "table") if output else "table"
    show_query(run, click.get_text_stream("stdin", encoding="utf-8").read() if sql == "-" else sql, form, output)


def show_query(run: Run, sql: str, form: str, output: Path | None) -> None:
    """Run read-only SQL on the published marts, and print or write what it gives. Raises AmkpiError.

    form: table, markdown, csv, json, xlsx or parquet. output: the file to write; None for standard output.
    """
    if form in BINARY and output is None and sys.stdout.isatty():
        raise AmkpiError(f"{form} is not for a terminal: add --output FILE, or send it to a file or pipe")
    with fenced(run.home, run.settings) as fence:
        if output is None:
            _print(fence, sql, form)
            return
        partial = output.with_name(f".{output.name}.{os.getpid()}")
        try:
            with partial.open("wb") as file:
                _write(fence, sql, form, file)
            partial.replace(output)
        except OSError as error:
            raise AmkpiError(f"{output} cannot be written: {error.strerror}") from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def _print(fence: Fence, sql: str, form: str) -> None:
    if form == "table":
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        _show_table(fence.texts(sql, MOST_ROWS), width)
    elif form in BINARY:
        _write(fence, sql, form, sys.stdout.buffer)
    elif form == "markdown":
        sys.stdout.write(markdown(fence.texts(sql, MOST_ROWS)))
    else:
        fence.stream(sql, _STREAMED[form], _json_to_stdout if form == "json" else _text_to_stdout)


def _write(fence: Fence, sql: str, form: str, file: BinaryIO) -> None:
    """Write the rows into a binary file: texts in UTF-8."""

    def write(piece: bytes) -> bool:
        file.write(piece)
        return not reader_is_gone()

    if form in _STREAMED:
        fence.stream(sql, _STREAMED[form], write)
    elif form == "xlsx":
        file.write(workbook(fence.rows(sql, MOST_ROWS)))
    else:
        answer = fence.texts(sql, MOST_ROWS)
        text = markdown(answer) if form == "markdown" else "\n".join(table(answer, None)) + "\n"
        file.write(text.encode())


def _text_to_stdout(piece: bytes) -> bool:
    sys.stdout.write(piece.decode())
    return not reader_is_gone()


def _json_to_stdout(piece: bytes) -> bool:
    text = piece.decode()
    if (sys.stdout.encoding or "utf-8").lower().replace("-", "") != "utf8":
        text = re.sub(r"[^\x00-\x7f]", lambda letter: json.dumps(letter[0])[1:-1], text)
    sys.stdout.write(text)
    return not reader_is_gone()


def _show_table(answer: Answer, width: int | None) -> None:
    if answer.columns == _PLAN:
        sys.stdout.write("".join(f"{text}\n" for _, text in answer.rows))
        return
    head, *lines = table(answer, width)
    # Only the head goes through the console, which takes a tenth of a millisecond for a line.
    terminal.out().print(Text(head, style="bold"), soft_wrap=True)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    if width is not None:
        count = terminal.counted(len(answer.rows), "row", "rows")
        terminal.out().print(f"[dim]{count}[/]", soft_wrap=True)
    if answer.has_more:
        terminal.report(f"there are more than {MOST_ROWS:,} rows: --format csv, json and parquet have all")


def table(answer: Answer, width: int | None) -> list[str]:
    """The lines of a table: the names of the columns, a rule, the rows.

    answer: with texts. width: of the terminal; None for no limit. Only long texts are shortened, and end with …;
    numbers, dates and names of columns stay whole, even if the lines become wider than the terminal.
    """
    is_number = [bool(_NUMBER.match(kind)) for kind in answer.types]
    rows = [[_cell(text) for text in row] for row in answer.rows]
    heads = [_cell(name) for name in answer.columns]
    widths = [max([cell_len(head), *(cell_len(row[at]) for row in rows)]) for at, head in enumerate(heads)]
    least = [
        max(cell_len(head), min(widths[at], _LEAST_TEXT)) if answer.types[at] == "VARCHAR" else widths[at]
        for at, head in enumerate(heads)
    ]
    widths = _fitted(widths, least, width)
    lines = [heads, ["─" * size for size in widths], *rows]
    return [
        _GAP.join(_aligned(cell, widths[at], is_number[at]) for at, cell in enumerate(line)).rstrip() for line in lines
    ]


def _fitted(widths: Sequence[int], least: Sequence[int], limit: int | None) -> list[int]:
    """The widths of the columns: the widest are made narrower until all fit, or none may be."""
    fitted = list(widths)
    over = 0 if limit is None else sum(fitted) + len(_GAP) * (len(fitted) - 1) - limit
    while over > 0:
        spare = [(size, at) for at, size in enumerate(fitted) if size > least[at]]
        if not spare:
            break
        size, at = max(spare)
        others = [each for each, place in spare if place != at and each < size]
        step = min(over, size - max([least[at], *others]))
        fitted[at] -= max(step, 1)
        over -= max(step, 1)
    return fitted


def _aligned(cell: str, width: int, right: bool) -> str:
    if cell_len(cell) > width:
        return f"{set_cell_size(cell, width - 1)}…"
    gap = " " * (width - cell_len(cell))
    return gap + cell if right else cell + gap


def _cell(text: str | None) -> str:
    """A text on one line, without the signs that control a terminal."""
    return "" if text is None else text if text.isprintable() else plain(text)


def markdown(answer: Answer) -> str:
    """The rows as a table of Markdown. answer: with texts."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |\n"

    marks = ["---:" if _NUMBER.match(kind) else "---" for kind in answer.types]
    text = line([_in_markdown(name) for name in answer.columns]) + line(marks)
    text += "".join(line([_in_markdown(cell) for cell in row]) for row in answer.rows)
    if answer.has_more:
        text += f"\n… more than {MOST_ROWS:,} rows: --format csv, json and parquet have all\n"
    return text


def _in_markdown(cell: str | None) -> str:
    text = (cell or "").replace("\\", "\\\\").replace("|", "\\|")
    return "<br>".join(_cell(part) for part in text.splitlines())


def workbook(answer: Answer) -> bytes:
    """The rows as a workbook of Excel. Every text is a string cell, so that none is read as a formula.

    Raises AmkpiError where there are more rows than answer has: a sheet that lacks some looks complete.
    """
    import xlsxwriter

    if answer.has_more:
        raise AmkpiError(f"there are more than {MOST_ROWS:,} rows: use --format parquet or csv")
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        head = book.add_format({"bold": True, "bottom": 1})
        day, moment = (book.add_format({"num_format": form}) for form in ("dd/mm/yyyy", "dd/mm/yyyy hh:mm:ss"))
        sheet = book.add_worksheet("query")
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(answer.columns):
            sheet.write_string(0, column, name, head)
        for number, row in enumerate(answer.rows, start=1):
            for column, value in enumerate(row):
                cell = _in_sheet(value)
                if isinstance(cell, bool):
                    sheet.write_boolean(number, column, cell)
                elif isinstance(cell, datetime):
                    sheet.write_datetime(number, column, cell, moment)
                elif isinstance(cell, date):
                    sheet.write_datetime(number, column, datetime(cell.year, cell.month, cell.day), day)  # noqa: DTZ001
                elif isinstance(cell, int | float):
                    sheet.write_number(number, column, cell)
                elif cell is not None:
                    sheet.write_string(number, column, cell)
        sheet.autofit(300)
    return file.getvalue()


def _in_sheet(value: Any) -> bool | int | float | date | datetime | str | None:
    """A value as a cell has it: no number is empty, a moment in the agency's time zone, anything nested as JSON."""
    if isinstance(value, Decimal):
        value = float(value) if abs(value) < _MOST_EXACT else str(value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, bool | float | date):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MOST_EXACT else str(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
