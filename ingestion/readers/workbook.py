"""Workbooks: one sheet, each cell as the text that a person would write for it.

Links to other files are never followed: the value that Excel saved counts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

import python_calamine as calamine

from amkpi.ingestion.readers.decompression import DEFAULT_LIMIT, Member, ending, opened
from amkpi.ingestion.readers.layout import CANONICAL, Layout
from amkpi.ingestion.readers.record_batches import (
    BOOLEAN,
    ERROR_CELL,
    MAX_COLUMNS,
    MERGED_CELL,
    MOMENT,
    NUMBER,
    NUMBER_1904,
    ROUNDED_CELL,
    TEXT,
    UNSAVED_CELL,
    Tally,
    TextRows,
    Unreadable,
    checked_header,
    looks_like_the_header,
    loose,
)
from amkpi.ingestion.readers.table_rows import (
    SEARCHED_ROWS,
    Row,
    batches,
    column_place,
    data_rows,
    has_names,
    header_remedy,
    is_blank,
    joined_names,
    no_header,
)
from amkpi.ingestion.readers.workbook_formats import ERROR, PASSWORD, SAVED_ZERO, UNSAVED, Marks, Scanned
from amkpi.ingestion.readers.workbook_scan import broken, scan

_TITLE_ROWS = 20
# A spreadsheet keeps 15 digits of a number. A whole number that needs more was changed when it was typed or exported;
# one with few digits before its zeros (1500000000000000) is an amount.
_FIRST_ROUNDED = 1e15
_MOST_DIGITS = 12
_MARKERS = {ERROR: ERROR_CELL, UNSAVED: UNSAVED_CELL}
_NAMED_ZEROS = 5


def read_workbook(
    path: Path | Member, known: frozenset[str], limit: int = DEFAULT_LIMIT, layout: Layout = CANONICAL
) -> TextRows:
    """Open one sheet of a workbook; the line of a row is its number in the sheet.

    known: the names of the columns that the caller looks for, as `loose` gives them. limit: of the decompressed size,
    in bytes. layout: which sheet, and where the table is. Raises `Unreadable`.
    """
    tally = Tally()
    kind = ending(path.name).removeprefix(".").upper()
    with opened(path, limit) as file, _errors_as_unreadable(kind):
        scanned = scan(file, limit)
        file.seek(0)
        with calamine.load_workbook(file) as workbook:
            sheet = _chosen(workbook, scanned, known, layout, tally)
        if sheet.is_empty:
            return TextRows((), iter(()), tally=tally)
        if scanned.is_1904 and layout.native:
            tally.notes.append("the workbook counts days from 1904: a number is a day of that count, a text is not")
        names, below = _header(sheet.rows(), known, layout, tally)
    rows = data_rows(sheet.with_merged(_fitted(below, len(names)), names, layout), names, layout, tally)
    told = sheet.with_zeros_counted(rows, len(names), tally)
    return TextRows(names, batches(told, len(names), has_kinds=layout.native), has_kinds=layout.native, tally=tally)


def sheet_names(path: Path, limit: int = DEFAULT_LIMIT) -> tuple[str, ...]:
    """The names of the visible sheets with cells, in their order. Raises `Unreadable`."""
    with opened(path, limit) as file, _errors_as_unreadable(ending(path.name).removeprefix(".").upper()):
        scan(file, limit)
        file.seek(0)
        with calamine.load_workbook(file) as workbook:
            return tuple(
                sheet.name
                for sheet in workbook.sheets_metadata
                if sheet.typ == calamine.SheetTypeEnum.WorkSheet and sheet.visible == calamine.SheetVisibleEnum.Visible
            )


@contextmanager
def _errors_as_unreadable(kind: str) -> Iterator[None]:
    try:
        yield
    except calamine.PasswordError as error:
        raise Unreadable(PASSWORD) from error
    except (calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise Unreadable(broken(error, kind)) from error
    except BaseException as error:
        # A panic of the library is not an Exception. A hostile file causes one; that must not stop the program.
        if type(error).__name__ == "PanicException":
            raise Unreadable(broken(error, kind)) from error
        raise


class _Sheet:
    """One sheet, which the library has read into memory."""

    def __init__(self, workbook: calamine.CalamineWorkbook, place: int, scanned: Scanned) -> None:
        self._cells = workbook.get_sheet_by_index(place)
        self._marks = scanned.sheets[place] if place < len(scanned.sheets) else Marks()
        self._kinds = {**_KINDS, **dict.fromkeys((int, float), NUMBER_1904 if scanned.is_1904 else NUMBER)}
        self.name = workbook.sheets_metadata[place].name
        self.is_empty = self._cells.start is None
        self._first_column = self._cells.start[1] + 1 if self._cells.start is not None else 1

    def rows(self) -> Iterator[Row]:
        """Every row of the sheet from the first on; one without a value has no cells."""
        marks = self._marks.again()
        with _errors_as_unreadable("workbook"):
            for number, values in enumerate(self._cells.iter_rows(), 1):
                cells = [_text(value) for value in values]
                kinds = "".join(self._kinds.get(type(value), TEXT) for value in values)
                for column, mark in marks.of_row(number).items():
                    place = column - self._first_column
                    # The library gives a text for some errors. A formula without a value is empty, or 0.
                    if mark in _MARKERS and place >= 0:
                        beyond = place + 1 - len(cells)
                        cells += [""] * beyond
                        kinds += TEXT * beyond
                        cells[place] = _MARKERS[mark]
                yield Row(number, cells, kinds=kinds) if any(cells) else Row(number, ())

    def with_merged(self, rows: Iterator[Row], names: Sequence[str], layout: Layout) -> Iterator[Row]:
        """The rows with an error in each merged cell that is not the first of its merge.

        In a column of `fill_down`, the cells below the first stay empty: they are filled later. So do the cells of a
        row that has one text across its columns: it is the heading of a group, which a mapping can filter.
        """
        places = {column_place(names, name, "fill_down") for name in layout.fill_down}
        known = self._marks.merges if self._marks.merges is not None else self._cells.merged_cell_ranges
        waiting = sorted(known or (), reverse=True)
        open_merges: list[tuple[int, int, int, int]] = []
        for row in rows:
            while waiting and waiting[-1][0][0] < row.line:
                (top, left), (bottom, right) = waiting.pop()
                open_merges.append((top + 1, left + 1, bottom + 1, right + 1))
            open_merges = [merge for merge in open_merges if merge[2] >= row.line]
            if len(open_merges) > MAX_COLUMNS:
                raise Unreadable("its merged cells overlap: unmerge them, or deliver it as CSV")
            yield self._merged(row, open_merges, places) if open_merges else row

    def _merged(self, row: Row, merges: Sequence[tuple[int, int, int, int]], filled: set[int]) -> Row:
        cells, kinds = list(row.cells), list(row.kinds or "")
        if sum(not is_blank([cell]) for cell in cells) < 2:
            merges = [merge for merge in merges if merge[0] < merge[2]]
        for top, left, _, right in merges:
            for column in range(max(left, self._first_column), min(right, self._first_column + len(cells) - 1) + 1):
                place = column - self._first_column
                if (row.line, column) != (top, left):
                    cells[place] = "" if place in filled and column == left else MERGED_CELL
                    kinds[place] = TEXT
        return row._replace(cells=cells, kinds="".join(kinds))

    def with_zeros_counted(self, rows: Iterator[Row], width: int, tally: Tally) -> Iterator[Row]:
        """The same rows; counts the formulas whose saved value is 0, and notes the first of them after the last row."""
        marks = self._marks.again()
        named: list[str] = []
        for row in rows:
            for column, mark in sorted(marks.of_row(row.line).items()):
                if mark == SAVED_ZERO and 0 <= column - self._first_column < width:
                    tally.saved_zeros += 1
                    if len(named) < _NAMED_ZEROS:
                        named.append(f"{_letters(column)}{row.line}")
            yield row
        if named:
            more = ", …" if tally.saved_zeros > len(named) else ""
            tally.notes.append(
                f"{tally.saved_zeros} formulas have the saved value 0 ({', '.join(named)}{more}): if they are not 0 in"
                " Excel, save the workbook there and deliver it again"
            )


def _chosen(
    workbook: calamine.CalamineWorkbook,
    scanned: Scanned,
    known: frozenset[str],
    layout: Layout,
    tally: Tally,
) -> _Sheet:
    """The sheet that the layout names, else the first visible one; of a native file, the first with the columns."""
    sheets = workbook.sheets_metadata
    places = [i for i, sheet in enumerate(sheets) if sheet.typ == calamine.SheetTypeEnum.WorkSheet]
    visible = [i for i in places if sheets[i].visible == calamine.SheetVisibleEnum.Visible]
    if not places:
        raise Unreadable("not readable as workbook: it has no sheet with cells")
    if layout.sheet is not None:
        return _Sheet(workbook, _named(sheets, places, visible, layout.sheet), scanned)
    first: _Sheet | None = None
    for place in visible or places:
        sheet = _Sheet(workbook, place, scanned)
        first = first or sheet
        if layout.native and len(visible) > 1 and not _has_columns(sheet, known, layout):
            continue
        if not sheet.is_empty or layout.native:
            if len(visible) > 1:
                tally.notes.append(f"sheet {sheet.name} of {len(visible)}")
                rest = (_Sheet(workbook, other, scanned) for other in visible if other > place)
                unread = [other.name for other in rest if layout.native and _has_columns(other, known, layout)]
                if unread:
                    tally.notes.append(f"not read, though the columns are there too: {', '.join(unread)}")
            return sheet
        break
    assert first is not None
    if first.is_empty:
        _refuse_data_elsewhere(workbook, places, scanned)
    elif len(visible) > 1:
        tally.notes.append(f"sheet {first.name} of {len(visible)}: no sheet has all the columns")
    return first


def _named(
    sheets: Sequence[calamine.SheetMetadata], places: Sequence[int], visible: Sequence[int], wanted: str | int
) -> int:
    """The place of the sheet with that name, or with that number among the visible sheets. Raises Unreadable."""
    if isinstance(wanted, int):
        if 1 <= wanted <= len(visible):
            return visible[wanted - 1]
    else:
        for place in places:
            if _same_name(sheets[place].name) == _same_name(wanted):
                return place
    names = ", ".join(sheets[place].name for place in places)
    raise Unreadable(f"sheet: the workbook has no sheet {wanted}; its sheets are: {names}")


def _same_name(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


def _has_columns(sheet: _Sheet, known: frozenset[str], layout: Layout) -> bool:
    if sheet.is_empty:
        return False
    try:
        names, _ = _header(sheet.rows(), known, layout, Tally())
    except Unreadable:
        return False
    return known <= {loose(name) for name in names}


def _refuse_data_elsewhere(workbook: calamine.CalamineWorkbook, places: Sequence[int], scanned: Scanned) -> None:
    """Refuse a workbook whose first sheet is empty while another is not: nobody would notice that its rows are lost."""
    for place in places:
        sheet = _Sheet(workbook, place, scanned)
        if not sheet.is_empty:
            raise Unreadable(
                f"its first sheet is empty, but the sheet {sheet.name} is not: move the table to the first sheet, or"
                " name the sheet in a mapping (sheet)"
            )


def _header(
    rows: Iterator[Row], known: frozenset[str], layout: Layout, tally: Tally
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The names of the header, and the rows below it. Raises Unreadable."""
    header = layout.header
    above: list[Row] = []
    if header.row is not None:
        above = list(islice(rows, header.row - 1))
    buffered = list(islice(rows, SEARCHED_ROWS + header.height))
    start = 0
    if header.row is not None:
        if not buffered or not buffered[0].cells:
            raise Unreadable(f"header.row: row {header.row} of the sheet is empty: give the row of the header")
    elif header.contains:
        filled = [(place, row) for place, row in enumerate(buffered[:SEARCHED_ROWS]) if row.cells]
        candidates = [
            (row.line, [each.cells for each in buffered[place : place + header.height]]) for place, row in filled
        ]
        found = next((line for line, cells in candidates if has_names(cells, header)), None)
        if found is None:
            raise no_header(candidates, header, "row")
        start = found - buffered[0].line
    else:
        first = _first_filled(buffered, rows, known, layout)
        if first is None:
            return (), iter(())
        start = first
    tally.above += sum(bool(row.cells) for row in (*above, *buffered[:start]))
    cells = [row.cells for row in buffered[start : start + header.height]]
    names = joined_names(cells) if header.height > 1 else [str(cell) for cell in cells[0]]
    while names and not names[-1].strip():
        names.pop()
    return checked_header(names), chain(buffered[start + header.height :], rows)


def _first_filled(buffered: list[Row], rest: Iterator[Row], known: frozenset[str], layout: Layout) -> int | None:
    """The place of the first row with cells, None if there is none. Raises Unreadable if the header is below it."""
    if not any(row.cells for row in buffered):
        buffered += islice((row for row in rest if row.cells), 1)
    filled = [row for row in buffered if row.cells][:_TITLE_ROWS]
    if not filled:
        return None
    place = looks_like_the_header([row.cells for row in filled], known)
    if place is not None:
        line = filled[place].line
        raise Unreadable(f"the header is in row {line} of the sheet, below other rows: {header_remedy(line, layout)}")
    return buffered.index(filled[0])


def _fitted(rows: Iterator[Row], width: int) -> Iterator[Row]:
    """The rows with as many cells as the header has. A filled cell to the right of it is a field too many."""
    for row in rows:
        end = len(row.cells)
        # A sheet is as wide as its widest row.
        while end > width and is_blank([row.cells[end - 1]]):
            end -= 1
        missing = max(width - end, 0) if row.cells else 0
        cells = (*row.cells[:end], *[""] * missing)
        yield Row(row.line, cells, len(cells) == width, (row.kinds or "")[:end] + TEXT * missing)


def _letters(column: int) -> str:
    """The letters of a column from 1: A, …, Z, AA."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _text(cell: Any) -> str:
    """A cell as canonical text. A moment at midnight is a date: Excel has no dates without a time."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float | int):
        return _number(float(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)


def _number(value: float) -> str:
    if abs(value) >= _FIRST_ROUNDED and value.is_integer() and len(str(int(value)).strip("-0")) > _MOST_DIGITS:
        return ROUNDED_CELL
    return str(int(value)) if abs(value) < 1e18 and value.is_integer() else repr(value)


# The library gives a number cell whose format is that of a date as a date.
_KINDS: dict[type, str] = {bool: BOOLEAN, date: MOMENT, datetime: MOMENT}
