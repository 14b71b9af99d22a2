"""SQL quoting."""

from __future__ import annotations


def literal(text: str) -> str:
    """The text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The name of a table or column as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
