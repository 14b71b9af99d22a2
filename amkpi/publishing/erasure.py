"""Publications and closing files in which names are replaced: each is written again, under the same name.

A file is replaced in one step. Before that, `intends` keeps the hash of the new one: so a process that is killed in
between is continued, and a file that somebody else has written into is not taken for one of these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from amkpi.core.erasure import duckdb_file
from amkpi.core.erasure.replacement import Replacement
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage import closing_register, permissions, published_hashes
from amkpi.core.storage.closing_register import Act, ErasedFile, Register
from amkpi.publishing.closing import files, verification
from amkpi.publishing.publication_file import STORAGE_VERSION


@dataclass(frozen=True)
class Intended:
    """What an erasure keeps of its files. hashes: file → SHA-256 that it is to have; intends: adds one of them."""

    hashes: Mapping[str, str]
    intends: Callable[[Path, str], None]


def count_publications(home: Home, replacement: Replacement) -> tuple[int, int]:
    """How many publications have names, and in how many cells. Raises AmkpiError."""
    return _counted(sorted(home.published.glob("kpi_*.duckdb")), replacement)


def count_closings(home: Home, replacement: Replacement) -> tuple[int, int]:
    """How many closing files have names, and in how many cells. Raises AmkpiError."""
    return _counted([act.file(home) for act in closing_register.read(home).acts], replacement)


def _counted(found: list[Path], replacement: Replacement) -> tuple[int, int]:
    try:
        counts = [duckdb_file.count(file, replacement) for file in found]
    except duckdb.Error as error:
        raise AmkpiError(f"a published or closed file cannot be opened: {str(error).splitlines()[0]}") from error
    return sum(count > 0 for count in counts), sum(counts)


def erase_publications(home: Home, group: str, replacement: Replacement, intended: Intended) -> tuple[int, int]:
    """Replace the names in every publication that is kept; returns how many, and how many cells.

    group: the setting `published_group`. Readers that have a file open keep what they opened. Raises AmkpiError for a
    file that somebody has written into.
    """
    number = cells = 0
    for file in sorted(home.published.glob("kpi_*.duckdb")):
        if intended.hashes.get(file.name) == files.sha256(file):
            published_hashes.record(home, file)  # a killed erasure had not come to that
        elif published_hashes.is_damaged(home, file):
            raise AmkpiError(
                f"{file} is not what was published, somebody has written into it: `amkpi run` writes the current"
                " publication again; remove any other one; then run this again"
            )
        changed = _rewritten(file, replacement, intended, lambda new: permissions.share(new, group))
        if changed:
            published_hashes.record(home, file)
        number, cells = number + bool(changed), cells + changed
    return number, cells


def erase_closings(home: Home, replacement: Replacement, by: str, at: datetime, intended: Intended) -> tuple[int, int]:
    """Replace the names in every closing file, and enter that in the register; returns how many files, and cells.

    Raises ClosingsBroken where a file is not the one that was closed.
    """
    number = cells = 0
    for act in closing_register.read(home).acts:
        file, register = act.file(home), closing_register.read(home)
        if intended.hashes.get(file.name) == files.sha256(file) != register.file_hash(act):
            _enter(home, register, act, replacement.pseudonym, by, at)  # a killed erasure had not come to that
    verification.verify(home)
    for act in closing_register.read(home).acts:
        changed = _rewritten(act.file(home), replacement, intended, lambda new: new.chmod(0o444))
        if changed:
            _enter(home, closing_register.read(home), act, replacement.pseudonym, by, at)
        number, cells = number + bool(changed), cells + changed
    return number, cells


def _enter(home: Home, register: Register, act: Act, subject: str, by: str, at: datetime) -> None:
    before, after = register.file_hash(act), files.sha256(act.file(home))
    closing_register.append(home, register, ErasedFile(act.n, act.period, by, at, subject, before, after))


def _rewritten(file: Path, replacement: Replacement, intended: Intended, give_rights: Callable[[Path], None]) -> int:
    """Replace a file by one without the names; returns how many cells changed."""
    partial = file.with_name(f".{file.name}.part")
    try:
        partial.unlink(missing_ok=True)
        changed = duckdb_file.rewrite(file, partial, replacement, STORAGE_VERSION)
    except duckdb.Error as error:
        raise AmkpiError(f"{file} cannot be written without names: {str(error).splitlines()[0]}") from error
    if not changed:
        return 0
    # Which publications are kept goes by their times.
    before = file.stat()
    os.utime(partial, ns=(before.st_atime_ns, before.st_mtime_ns))
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    give_rights(partial)
    intended.intends(file, files.sha256(partial))
    partial.replace(file)
    return changed
