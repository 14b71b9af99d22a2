"""The number of a row within its delivery, and the line of the file that it came from.

A row is known by its delivery and `_line`. That is the line of the file. Where a mapping makes several rows of one
native row, the second has the line plus `LINES`, the third the line plus twice that, and so on.
"""

from __future__ import annotations

# No file has so many lines. The dbt macro `native_line` has the same number.
LINES = 10_000_000_000


def native_line(row_number: str) -> str:
    """SQL of the line of the file, from SQL of a row's `_line`."""
    return f"({row_number} % {LINES})"
