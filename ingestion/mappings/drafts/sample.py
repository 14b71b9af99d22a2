"""A look at a native file for a draft: where its header is, and the first values of each column."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from amkpi.ingestion.mappings.names import clean_cell
from amkpi.ingestion.readers import Content, Layout, TextRows, Unreadable, examine, loose, open_text
from amkpi.ingestion.readers.decompression import WORKBOOKS
from amkpi.ingestion.readers.layout import Header
from amkpi.ingestion.readers.record_batches import MERGED_CELL, TEXT
from amkpi.ingestion.readers.workbook import sheet_names

MOST_ROWS = 2_000
_SEARCHED_ROWS = 20
# A cell that is a number or a date is no name of a column.
_VALUE = re.compile(r"[\d\s.,:/+()%₫đ$€-]*\d[\d\s.,:/+()%₫đ$€-]*")
_TOTAL = re.compile(r"(tổng|cộng|total|grand total|sum\b|số dòng)", re.IGNORECASE)


@dataclass(frozen=True)
class Cell:
    """A cell that is not empty: its clean text, and its kind (`record_batches`)."""

    text: str
    kind: str = TEXT


_MERGED = Cell(MERGED_CELL)


@dataclass(frozen=True)
class Sample:
    """The first rows of a native file.

    sheet: its name, if the workbook has several; None else. header_row: the line or row of the header; None if it is
    the first one. columns: by title, the cell of each row,
    None where it is empty. total: the column and the text of the first row that looks like a total, if there is one.
    notes: of the reader. merged: the titles of the columns with merged cells, which are empty but for the first.
    """

    header: tuple[str, ...]
    sheet: str | None
    header_row: int | None
    columns: dict[str, tuple[Cell | None, ...]]
    total: tuple[str, str] | None
    notes: tuple[str, ...]
    merged: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return max((len(cells) for cells in self.columns.values()), default=0)

    def filled(self, title: str) -> list[Cell]:
        """The cells of the column that are not empty."""
        return [cell for cell in self.columns.get(title, ()) if cell is not None]


def take_sample(path: Path, known: frozenset[str], fitness: Callable[[Sequence[str]], int]) -> Sample:
    """The sample of a file: of the sheet whose header fits best, if it has several.

    known: names of columns that are sought, as `loose`. fitness: how well a header fits. Raises Unreadable.
    """
    content = examine(path)
    names: tuple[str, ...] = ()
    if content.problem is None and path.suffix.lower() in WORKBOOKS:
        names = sheet_names(path)
    sheets: Sequence[str | None] = names if len(names) > 1 else (None,)
    samples = [_sample_of_sheet(path, content, known, sheet) for sheet in sheets]
    return max(samples, key=lambda sample: (fitness(sample.header), sample.rows))


def _sample_of_sheet(path: Path, content: Content, known: frozenset[str], sheet: str | None) -> Sample:
    first = Layout(sheet=sheet, header=Header(row=1), native=True)
    try:
        row = _header_row(open_text(path, content, known, layout=first))
    except Unreadable:
        # Line 1 is blank, or the one in which Excel names the delimiter: the reader looks further by itself.
        row = None
    # A header in the first row that is not empty needs no key.
    return sample_in(path, known, Layout(sheet=sheet, header=Header(row=row), native=True))


def sample_in(path: Path, known: frozenset[str], layout: Layout) -> Sample:
    """The sample of a file whose table is at a known place. Raises Unreadable."""
    rows = open_text(path, examine(path), known, layout=layout)
    titles = [title.strip() for title in rows.header]
    names = [loose(title) for title in titles]
    taken = list(islice(_cells(rows), MOST_ROWS))
    total = next((_total(titles, row) for row in taken if _total(titles, row)), None)
    if total:
        taken = taken[: next(place for place, row in enumerate(taken) if _total(titles, row))]
    columns = {
        title: tuple(row[place] if place < len(row) else None for row in taken)
        for place, title in enumerate(titles)
        if title and names.count(loose(title)) == 1
    }
    merged = tuple(title for title, cells in columns.items() if _MERGED in cells)
    columns = {title: tuple(None if cell == _MERGED else cell for cell in cells) for title, cells in columns.items()}
    sheet = layout.sheet if isinstance(layout.sheet, str) else None
    return Sample(rows.header, sheet, layout.header.row, columns, total, tuple(rows.tally.notes), merged)


def _header_row(rows: TextRows) -> int | None:
    """The number of the row that looks like the header; None if that is the first row.

    It is the first of the rows with the most names: texts that are all different, and no numbers or dates.
    """
    first = [cell.strip() for cell in rows.header]
    candidates: list[tuple[int, list[str]]] = [(1, first)]
    for batch in rows.batches:
        width = len(rows.header)
        for row in batch.to_pylist():
            cells = json.loads(row["_row"]) if row["_malformed"] else [row[f"c{place}"] for place in range(width)]
            candidates.append((row["_line"], [clean_cell(cell or "") for cell in cells]))
            if len(candidates) > _SEARCHED_ROWS:
                break
        if len(candidates) > _SEARCHED_ROWS:
            break
    best = max(candidates, key=lambda each: (_names(each[1]), -each[0]))
    # One more name than the first row is no reason to doubt it.
    return best[0] if best[0] > 1 and _names(best[1]) > max(2, _names(first)) else None


def _names(cells: Sequence[str]) -> int:
    texts = [cell for cell in cells if cell]
    if any(_VALUE.fullmatch(text) for text in texts) or len(set(texts)) < len(texts) * 0.9:
        return 0
    return len(texts)


def _cells(rows: TextRows) -> Iterator[list[Cell | None]]:
    for batch in rows.batches:
        for row in batch.to_pylist():
            if row["_malformed"]:
                continue
            kinds = row.get("_kinds") or TEXT * len(rows.header)
            texts = [clean_cell(row[f"c{place}"] or "") for place in range(len(rows.header))]
            yield [Cell(text, kind) if text else None for text, kind in zip(texts, kinds, strict=True)]


def _total(titles: Sequence[str], row: Sequence[Cell | None]) -> tuple[str, str] | None:
    """The column and text of a row that looks like a total: it begins with such a word, and has empty cells."""
    first = next(((title, cell) for title, cell in zip(titles, row, strict=True) if cell is not None), None)
    empty = sum(cell is None for cell in row)
    if first and first[0] and _TOTAL.match(first[1].text) and empty:
        return first[0], first[1].text
    return None
