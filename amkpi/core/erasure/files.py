"""State stores and text files without names."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from amkpi.core.erasure.replacement import Replacement

# What the text of a mapping says is data of the agency's own, and its hash is compared.
_NOT_CHANGED = frozenset({"mapping_texts"})


def in_store(file: Path, replacement: Replacement, write: bool) -> int:
    """Replace the names in every table of a SQLite file; returns how many cells. Raises sqlite3.Error.

    Nothing of the old texts stays in the file: deleted content is overwritten, and free pages are given back.
    """
    changed = 0
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        connection.execute("pragma secure_delete = on")
        if write:
            # Nobody writes between the look and the change: the pages and the mails do not take HOME's lock.
            connection.execute("begin immediate")
        tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        with connection:
            for (table,) in tables:
                if table not in _NOT_CHANGED:
                    changed += _in_table(connection, table, replacement, write)
        if write:
            # Also what was deleted before may still be in a free page.
            connection.execute("vacuum")
    return changed


def _in_table(connection: sqlite3.Connection, table: str, replacement: Replacement, write: bool) -> int:
    result = connection.execute(f'select rowid, * from "{table}"')
    names = [column[0] for column in result.description][1:]
    changed = 0
    for rowid, *cells in result.fetchall():
        is_own = replacement.identity in cells
        new = [replacement.in_cell(cell, is_own) if isinstance(cell, str) else cell for cell in cells]
        pairs = [(name, other) for name, cell, other in zip(names, cells, new, strict=True) if cell != other]
        changed += len(pairs)
        if write and pairs:
            places = ", ".join(f'"{name}" = ?' for name, _ in pairs)
            connection.execute(
                f'update "{table}" set {places} where rowid = ?', [*(other for _, other in pairs), rowid]
            )
    return changed


def in_text_file(file: Path, replacement: Replacement, write: bool) -> bool | None:
    """Replace the names in a text file; whether there were any. None where the file is no text. Raises OSError."""
    content = file.read_bytes()
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    found = replacement.in_text(text)
    if found == text:
        return False
    if write:
        mode = file.stat().st_mode
        partial = file.with_name(f".{file.name[:200]}.part")
        with partial.open("wb") as written:
            written.write(found.encode(encoding))
            written.flush()
            os.fsync(written.fileno())
        partial.chmod(mode & 0o7777)
        partial.replace(file)
    return True
