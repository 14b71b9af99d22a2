"""Markdown for the generated pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. A bar or a newline in a cell is escaped."""
    lines = [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    """Return the text as code; an empty text stays empty."""
    return f"`{text}`" if text else ""


def codes(names: Iterable[str]) -> str:
    """Return the names as code, separated by commas."""
    return ", ".join(code(name) for name in names)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", "<br>") for cell in cells) + " |"
