"""Where the table of a native file is: what a mapping says about it. The defaults are those of a canonical extract."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """Where the header is. row: its number in the sheet, or its line in a text; contains: names that its row has.

    If neither is given, the header is the first row that is not empty. height: the number of rows that it takes; their
    texts are joined as `How satisfied? / Response`, and `row` is the first of them.
    """

    row: int | None = None
    contains: tuple[str, ...] = ()
    height: int = 1


@dataclass(frozen=True)
class StopAt:
    """The first row that is no data any more: it and all rows below it are the footer.

    empty_row: the first row without any cell below a row of data. column, matches: a native column, and a pattern that
    is searched in its cell after it was cleaned.
    """

    empty_row: bool = False
    column: str | None = None
    matches: re.Pattern[str] | None = None


@dataclass(frozen=True)
class Layout:
    """Where the table of a file is.

    sheet: the name of a sheet, or its number from 1 among the visible ones; None for the first visible one, in a native
    file for the first that has all the columns. skip_after_header: how many rows below the header are no data, empty
    ones too. records: the keys that lead to the array in a JSON document. native: whether the rows
    go through a mapping. Then the batches have the kinds of their cells, and nested JSON keys are columns too
    (`properties.dealname`). fill_down: native columns in which an empty cell has the value of the cell above.
    """

    sheet: str | int | None = None
    header: Header = Header()
    skip_after_header: int = 0
    stop_at: StopAt = StopAt()
    records: tuple[str, ...] = ()
    native: bool = False
    fill_down: tuple[str, ...] = ()


CANONICAL = Layout()
