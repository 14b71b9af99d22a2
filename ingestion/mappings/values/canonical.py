"""Values of an extract, as a mapping writes them or refuses them."""

from __future__ import annotations

import re
from datetime import date

from amkpi.ingestion.contracts.extracts import Column

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}", re.ASCII)
_BOOLEANS = frozenset({"true", "t", "yes", "1", "false", "f", "no", "0"})


def refused(value: str, column: Column) -> str:
    """The text in place of a native value that is not in its format, which the row rules reject.

    It is the value as it arrived. If that could be read as a value of the extract (1.234, where the point separates
    thousands), a mark is added, because accepting it would be a guess.
    """
    would_read = {"number": _NUMBER.fullmatch, "date": _DAY.match, "timestamp": _DAY.match}
    reads = would_read.get(column.type)
    return f"{value} (not in the mapping's format)" if reads and reads(value.strip()) else value


def problem(value: str, column: Column) -> str | None:
    """Why a value written in a mapping is not a value of the column; None if it is one."""
    if column.choices and value not in column.choices:
        return f"{value!r} is not one of {', '.join(column.choices)}"
    if column.currency and not re.fullmatch("[A-Z]{3}", value):
        return f"{value!r} is not a currency: write three capital letters, such as USD"
    if column.type == "number" and not _NUMBER.fullmatch(value):
        return f"{value!r} is not a number: write it with a point and without separators, such as 1234.5"
    if column.type == "boolean" and value.lower() not in _BOOLEANS:
        return f"{value!r} is neither true nor false"
    if column.type in ("date", "timestamp"):
        try:
            date.fromisoformat(value[:10] if column.type == "timestamp" else value)
        except ValueError:
            return f"{value!r} is not a date: write it as 2025-12-31"
        if not re.match(r"\d{4}-\d\d-\d\d", value):
            return f"{value!r} is not a date: write it as 2025-12-31"
    return None
