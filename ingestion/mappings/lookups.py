"""Lookups: ids that a native file does not have, found by another column of the extract that has them.

A load cannot find them: the other extract may arrive later. It writes a text that no id is, which tells what to look
up. The row checks find the id before each build; a row whose id is not found waits, as for any missing reference.
"""

from __future__ import annotations

from dataclasses import dataclass

from amkpi.ingestion.mappings.names import folded_cell

# A character for private use: no id begins with it.
MARK = "\ue001"


@dataclass(frozen=True)
class Wanted:
    """What is looked up: the key of the extract's row whose column `by` has the value. value: as `folded_cell`."""

    extract: str
    by: str
    value: str


def lookup_text(extract: str, by: str, value: str) -> str:
    """The text in place of an id that has to be looked up."""
    return MARK.join(("", extract, by, folded_cell(value)))


def wanted(text: str) -> Wanted:
    """What a text of `lookup_text` looks up."""
    _, extract, by, value = text.split(MARK, 3)
    return Wanted(extract, by, value)
