"""The register of erasures in HOME/state/: of whom no name may come back, by staff id and client id.

It holds no name. To know a name again where a file gives no id (a deal names its owner, a survey its client), it holds
hashes of names and addresses, made with a secret of this HOME. Who has both can try names; who has the marts cannot.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from amkpi.core.storage.migrations.state_stores import ERASURES

Kind = Literal["staff", "client"]


@dataclass(frozen=True, order=True)
class Subject:
    """Who is erased: a person of the staff, or a client."""

    kind: Kind
    id: str

    @property
    def pseudonym(self) -> str:
        """What stands in the place of names, addresses and free texts. No mail server takes it as an address."""
        return f"Erased {'person' if self.kind == 'staff' else 'client'} {self.id}"


@dataclass(frozen=True)
class Erasures:
    """The register as it was read. texts: whose name was found in a free text, by extract, record and column."""

    subjects: frozenset[Subject] = frozenset()
    texts: Mapping[tuple[str, str, str], Subject] = field(default_factory=dict)
    marks: Mapping[str, Subject] = field(default_factory=dict)
    secret: str = ""

    def named(self, text: str) -> Subject | None:
        """The subject of which this whole text is a name, an address or the pseudonym. text: as it is compared."""
        return self.marks.get(digest(self.secret, text)) if self.marks else None


def read(state: Path) -> Erasures:
    """The register. Raises AmkpiError."""
    if not ERASURES.exists(state):
        return Erasures()
    with ERASURES.open(state) as connection:
        subjects = connection.execute("select kind, id from erased").fetchall()
        texts = connection.execute("select extract, record, column_name, kind, id from texts").fetchall()
        marks = connection.execute("select digest, kind, id from marks").fetchall()
        secret = _secret(connection) if marks else ""
    return Erasures(
        frozenset(Subject(*row) for row in subjects),
        {(extract, record, column): Subject(kind, identity) for extract, record, column, kind, identity in texts},
        {mark: Subject(kind, identity) for mark, kind, identity in marks},
        secret,
    )


def with_subject(
    known: Erasures, subject: Subject, names: Iterable[str], texts: Iterable[tuple[str, str, str]]
) -> Erasures:
    """The register as `enter` would make it."""
    secret = known.secret or secrets.token_hex(32)
    return Erasures(
        known.subjects | {subject},
        {**dict.fromkeys(texts, subject), **known.texts},
        {**{digest(secret, name): subject for name in names}, **known.marks},
        secret,
    )


def enter(
    state: Path,
    subject: Subject,
    by: str,
    at: datetime,
    names: Iterable[str],
    texts: Iterable[tuple[str, str, str]],
) -> None:
    """Enter a subject, in one transaction; what is there already stays. Raises AmkpiError.

    names: of nobody else, as they are compared; of them only hashes are kept. texts: extract, record and column of free
    texts that name the subject.
    """
    who = (subject.kind, subject.id)
    with ERASURES.open(state) as connection:
        secret = _secret(connection)
        connection.execute(
            "insert or ignore into erased (kind, id, by, at) values (?, ?, ?, ?)",
            [*who, by, at.astimezone(UTC).isoformat()],
        )
        connection.executemany(
            "insert or ignore into marks (digest, kind, id) values (?, ?, ?)",
            [(digest(secret, name), *who) for name in names],
        )
        connection.executemany(
            "insert or ignore into texts (extract, record, column_name, kind, id) values (?, ?, ?, ?, ?)",
            [(*text, *who) for text in texts],
        )


def digest(secret: str, text: str) -> str:
    """The hash of a name or an address, as it is compared."""
    return hashlib.blake2b(text.encode(), key=secret.encode(), digest_size=32).hexdigest()


def _secret(connection: sqlite3.Connection) -> str:
    found = connection.execute("select value from secret").fetchall()
    if found:
        return str(found[0][0])
    made = secrets.token_hex(32)
    connection.execute("insert into secret (value) values (?)", [made])
    return made
