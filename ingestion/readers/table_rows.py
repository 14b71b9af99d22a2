"""The table among the rows of a file: where its header is, and which rows below it are data.

A reader gives every row of its file, also the rows without a cell. What a mapping says about the place of the table
(`Layout`) is applied here, for all formats in the same way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from amkpi.ingestion.readers.characters import clean_text
from amkpi.ingestion.readers.layout import Header, Layout
from amkpi.ingestion.readers.record_batches import BATCH_ROWS, Tally, Unreadable, batch, loose

# Only so many rows are searched for a header.
SEARCHED_ROWS = 200
# A batch of long texts ends before this many characters.
_BATCH_CHARS = 8 << 20
_MOST_NAMES = 20
_NUMBERED = re.compile(r"(.+)#([1-9][0-9]{0,3})", re.DOTALL)


class Row(NamedTuple):
    """A row of a file.

    line: its number in the file, from 1. cells: empty for a row that is not there (a blank line, an empty row of a
    sheet). fits: whether it has the fields of the header; kinds: of the cells, None if all are text.
    """

    line: int
    cells: Sequence[str | None]
    fits: bool = True
    kinds: str | None = None


def joined_names(rows: Sequence[Sequence[str | None]]) -> list[str]:
    """The names of a header of several rows, such as `Số tiền / Nợ`.

    An empty cell of an upper row takes the text to its left, as in merged cells. Equal texts are not repeated.
    """
    texts = [[(cell or "").strip() for cell in row] for row in rows]
    width = max((place for row in texts for place, text in enumerate(row, 1) if text), default=0)
    columns: list[list[str]] = [[] for _ in range(width)]
    for row in texts:
        left = ""
        for place, parts in enumerate(columns):
            text = row[place] if place < len(row) else ""
            if row is not texts[-1]:
                left = text = text or left
            if text and text not in parts:
                parts.append(text)
    return [" / ".join(parts) for parts in columns]


def has_names(rows: Sequence[Sequence[str | None]], header: Header) -> bool:
    """Whether a header that is these rows has all the names of `header.contains`."""
    return not _lacks(rows, header)


def _lacks(rows: Sequence[Sequence[str | None]], header: Header) -> list[str]:
    if not rows:
        return list(header.contains)
    found = {loose(cell) for cell in rows[0] if cell}
    if header.height > 1:
        found.update(loose(name) for name in joined_names(rows))
    return [name for name in header.contains if loose(name) not in found]


def no_header(
    candidates: Iterable[tuple[int, Sequence[Sequence[str | None]]]], header: Header, unit: str
) -> Unreadable:
    """The error for a file in which no row has the names. candidates: each with its number; unit: line or row."""
    nearest = min(candidates, key=lambda each: len(_lacks(each[1], header)), default=None)
    lacked = _lacks(nearest[1], header) if nearest else list(header.contains)
    near = (
        f"; {unit} {nearest[0]} lacks only {', '.join(lacked)}"
        if nearest and len(lacked) < len(header.contains)
        else ""
    )
    return Unreadable(
        f"header.contains: none of the first {SEARCHED_ROWS} {unit}s has the columns"
        f" {', '.join(header.contains)}{near}: correct the names, or give the {unit} of the header (header: {{row: 4}})"
    )


def header_remedy(row: int, layout: Layout) -> str:
    """What to do about a header that is in this row (or line) below others."""
    key = f"header: {{row: {row}}}"
    return f"add {key} to the mapping" if layout.native else f"delete the rows above, or write a mapping with {key}"


def base_name(name: str) -> str:
    """The name of a native column without a number: `Sprint` for `Sprint#2`."""
    numbered = _NUMBERED.fullmatch(name)
    return numbered[1].strip() if numbered else name


def column_places(names: Sequence[str], wanted: str) -> list[int]:
    """The places of the native columns that a name in a mapping means; `Sprint#2` is the second of that name."""
    places = [place for place, name in enumerate(names) if loose(name) == loose(wanted)]
    if not places and (numbered := _NUMBERED.fullmatch(wanted)):
        base = loose(base_name(wanted))
        of_base = [place for place, name in enumerate(names) if loose(name) == base]
        places = of_base[int(numbered[2]) - 1 : int(numbered[2])]
    return places


def several_columns(names: Sequence[str], wanted: str, places: Sequence[int]) -> str:
    """What is wrong with a name that several columns have, and what to write."""
    titles = " and ".join(names[place].strip() for place in places)
    return (
        f"the column {wanted} is there {len(places)} times, as {titles}: name the one that is meant, as {wanted}#1 or"
        f" {wanted}#2"
    )


def column_place(names: Sequence[str], wanted: str, key: str) -> int:
    """The place of the one native column that a name means. key: of the mapping, for the error. Raises Unreadable."""
    places = column_places(names, wanted)
    if len(places) > 1:
        raise Unreadable(f"{key}: {several_columns(names, wanted, places)}")
    if places:
        return places[0]
    found = ", ".join(name.strip() for name in names[:_MOST_NAMES])
    raise Unreadable(f"{key}: the file lacks the column {wanted}; it has: {found}")


def data_rows(rows: Iterator[Row], names: Sequence[str], layout: Layout, tally: Tally) -> Iterator[Row]:
    """The rows of data among the rows below the header; the others are counted. Raises Unreadable.

    skip_after_header counts rows that are not there too, as a person who looks at the file does. An empty row stops
    only below the first row of data.
    """
    stop = layout.stop_at
    place = column_place(names, stop.column, "stop_at.column") if stop.column is not None else None
    filled = [column_place(names, name, "fill_down") for name in layout.fill_down]
    skipped, is_first = 0, True
    last: dict[int, tuple[str | None, str]] = {}
    for row in rows:
        if skipped < layout.skip_after_header:
            skipped += 1
            tally.above += bool(row.cells)
            continue
        is_end = stop.empty_row and not is_first and is_blank(row.cells)
        if not is_end and place is not None and stop.matches is not None and place < len(row.cells):
            is_end = stop.matches.search(_clean(row.cells[place])) is not None
        if is_end:
            tally.footer += bool(row.cells) + sum(bool(each.cells) for each in rows)
            return
        if row.cells:
            is_first = False
            yield _filled(row, filled, last) if filled and row.fits else row


def _filled(row: Row, places: Sequence[int], last: dict[int, tuple[str | None, str]]) -> Row:
    """The row with the cells above it where its own are empty. last: those cells and their kinds, which is updated."""
    cells = list(row.cells)
    kinds = list(row.kinds or "t" * len(cells))
    for place in places:
        if not _clean(cells[place]):
            cells[place], kinds[place] = last.get(place, (cells[place], kinds[place]))
        else:
            last[place] = (cells[place], kinds[place])
    return row._replace(cells=cells, kinds="".join(kinds) if row.kinds is not None else None)


def is_blank(cells: Sequence[str | None]) -> bool:
    """Whether no cell has a text."""
    return not any(cell and cell.strip() for cell in cells)


def _clean(cell: str | None) -> str:
    return unicodedata.normalize("NFC", clean_text(cell or "")).strip()


def batches(rows: Iterable[Row], width: int, *, has_kinds: bool) -> Iterator[pa.Table]:
    """The rows as batches of that many columns, each bounded in rows and characters."""
    taken: list[Row] = []
    size = 0
    for row in filter(lambda each: each.cells, rows):
        taken.append(row)
        size += sum(map(len, filter(None, row.cells)))
        if len(taken) == BATCH_ROWS or size > _BATCH_CHARS:
            yield _batch(taken, width, has_kinds=has_kinds)
            taken, size = [], 0
    if taken:
        yield _batch(taken, width, has_kinds=has_kinds)


def _batch(rows: Sequence[Row], width: int, *, has_kinds: bool) -> pa.Table:
    return batch(
        [row.cells for row in rows],
        [row.line for row in rows],
        width,
        malformed=[not row.fits for row in rows],
        kinds=[row.kinds if row.fits else None for row in rows] if has_kinds else None,
    )
