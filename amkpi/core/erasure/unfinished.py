"""The record of an erasure that is going on: `HOME/state/.erasure.json`, removed at its end.

It has the names that are replaced, because no other place has them once a step is done. A backup leaves hidden files
out. While it is there, HOME is in between: only the erasure itself may go on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from amkpi.core.erasure.register import Subject
from amkpi.core.erasure.replacement import Replacement
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home

_continued: ContextVar[bool] = ContextVar("continued", default=False)


@dataclass
class Unfinished:
    """What an erasure needs to go on.

    names, cells, own_texts, longer: as in `Replacement`; marks: the names and the pseudonym, as cells are compared;
    texts: as in `register.enter`. hashes: file → the hash that it is to have; old_files: those of archive/ that are
    replaced, relative to HOME.
    """

    kind: str
    id: str
    by: str
    at: str
    names: list[str]
    cells: list[str]
    own_texts: list[str]
    longer: list[str]
    marks: list[str]
    texts: list[list[str]]
    hashes: dict[str, str] = field(default_factory=dict)
    old_files: list[str] = field(default_factory=list)

    @property
    def subject(self) -> Subject:
        """Who is erased."""
        return Subject(self.kind, self.id)  # type: ignore[arg-type]

    @property
    def moment(self) -> datetime:
        """When it began."""
        return datetime.fromisoformat(self.at).astimezone(UTC)

    @property
    def replacement(self) -> Replacement:
        """What is replaced by what."""
        texts = tuple(self.names), tuple(self.cells), tuple(self.own_texts), tuple(self.longer)
        return Replacement(self.id, self.subject.pseudonym, *texts)


def path(home: Home) -> Path:
    """Where the record is."""
    return home.state / ".erasure.json"


def read(home: Home) -> Unfinished | None:
    """The record of an erasure that did not end; None where there is none. Raises AmkpiError."""
    try:
        return Unfinished(**json.loads(path(home).read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise AmkpiError(f"{path(home)} cannot be read: {error}; restore HOME from its backup") from error


def write(home: Home, record: Unfinished) -> None:
    """Keep the record; it is on disk when the call returns. Raises OSError."""
    partial = path(home).with_name(".erasure.json.part")
    with partial.open("w", encoding="utf-8") as file:
        partial.chmod(0o600)
        json.dump(asdict(record), file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path(home))


def remove(home: Home) -> None:
    """The erasure has ended."""
    path(home).unlink(missing_ok=True)


@contextmanager
def continued() -> Iterator[None]:
    """The block is the erasure itself."""
    token = _continued.set(True)
    try:
        yield
    finally:
        _continued.reset(token)


def refuse_interrupted(home: Home) -> None:
    """Raise AmkpiError where an erasure did not end, and this is not it."""
    problem = None if _continued.get() else interrupted(home)
    if problem is not None:
        raise AmkpiError(problem)


def interrupted(home: Home) -> str | None:
    """What to do about an erasure that did not end, in one line; None where there is none. Raises AmkpiError."""
    record = read(home)
    if record is None:
        return None
    again = f"run `{command(record.subject)}` again, it goes on where it was"
    return f"an erasure was interrupted, or is still going on: {again}"


def command(subject: Subject) -> str:
    """The command that erases the subject."""
    return f"amkpi forget {'--client ' if subject.kind == 'client' else ''}{subject.id} --by NAME --yes"
