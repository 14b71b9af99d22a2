"""The journal of deliveries in HOME/state/: when which bytes came under which name.

It is what a warehouse cannot be rebuilt without, so it lives beside it, in a small SQLite file of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from amkpi.core.errors import AmkpiError


@dataclass(frozen=True)
class Delivery:
    """One file taken as one extract. `loaded_at` is aware; `source` names the mapping of a native export."""

    delivery: int
    run: int
    file_name: str
    extract: str | None
    source: str | None
    sha256: str | None
    bytes: int
    status: str
    reason: str | None
    rows_read: int
    loaded_at: datetime


_COLUMNS = ", ".join(field.name for field in fields(Delivery))


@contextmanager
def _open(state: Path) -> Iterator[sqlite3.Connection]:
    path = state / "journal.sqlite"
    try:
        connection = sqlite3.connect(path, timeout=30)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    try:
        connection.execute("pragma synchronous = full")
        connection.execute(
            "create table if not exists deliveries (delivery integer primary key, run integer not null,"
            " file_name text not null, extract text, source text, sha256 text, bytes integer not null,"
            " status text not null, reason text, rows_read integer not null, loaded_at text not null)"
        )
        with connection:
            yield connection
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    finally:
        connection.close()


def _unusable(path: Path, error: sqlite3.Error) -> AmkpiError:
    # What is in the warehouse is safe: the next run writes what the journal lacks.
    return AmkpiError(f"{path} cannot be used: {error}: make room, or bring it back from its backup, and run again")


def write(state: Path, deliveries: list[Delivery]) -> None:
    """Write the deliveries, in one transaction. Raises AmkpiError.

    One that is there already is written anew, so that a broken-off run can repeat it.
    """
    if not deliveries:
        return
    rows = [{**asdict(each), "loaded_at": each.loaded_at.astimezone(UTC).isoformat()} for each in deliveries]
    places = ", ".join(f":{field.name}" for field in fields(Delivery))
    with _open(state) as connection:
        connection.executemany(f"insert or replace into deliveries ({_COLUMNS}) values ({places})", rows)


def read(state: Path) -> list[Delivery]:
    """All deliveries in the order in which they came. Raises AmkpiError."""
    with _open(state) as connection:
        rows = connection.execute(f"select {_COLUMNS} from deliveries order by delivery").fetchall()
    return [Delivery(*(*row[:-1], datetime.fromisoformat(row[-1]))) for row in rows]
