"""Tables of text cells, and how they are written as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

Table = list[dict[str, str]]
Tables = dict[str, Table]


def write(table: Sequence[dict[str, str]], columns: Sequence[str], delimiter: str = ",", end: str = "\n") -> str:
    """A table as CSV text."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(columns)
    for row in table:
        writer.writerow([row.get(column, "") for column in columns])
    return out.getvalue()
