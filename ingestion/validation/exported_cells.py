"""Cells of an exported quarantine: no program takes one as a formula, and what is dropped back is the cell as it was.

A cell that could be a formula gets an apostrophe before it. So does one that already has apostrophes before such a
beginning, or the way back would not be unique. A sheet has cells that are text, so only the second kind needs it there.
"""

from __future__ import annotations

import re

from amkpi.core.storage.sql import literal

_BEGINNING = "[=+@\t\r\n-]"
_COULD_BE_FORMULA = re.compile(f"'*{_BEGINNING}")
_ESCAPED = f"'+{_BEGINNING}"
_COULD_BE_ESCAPED = re.compile(_ESCAPED)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def in_text(cell: str) -> str:
    """The cell as it is written to a text file. A number is no formula."""
    return f"'{cell}" if _COULD_BE_FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def in_sheet(cell: str) -> str:
    """The cell as it is written to a sheet, as text."""
    return f"'{cell}" if _COULD_BE_ESCAPED.match(cell) else cell


def as_it_was(column: str) -> str:
    """SQL of the cell before `in_text` or `in_sheet` wrote it."""
    return f"case when regexp_matches({column}, {literal('^' + _ESCAPED)}) then substr({column}, 2) else {column} end"
