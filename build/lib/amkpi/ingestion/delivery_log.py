"""The delivery log in HOME/state/: which bytes arrived under which name, and when.

A warehouse cannot be rebuilt without it, so it is kept outside the warehouse, in a small SQLite file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from amkpi.core.storage.migrations.state_stores import DELIVERY_LOG


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


def write(state: Path, deliveries: list[Delivery]) -> None:
    """Write the deliveries, in one transaction. Raises AmkpiError.

    A delivery that is there already is replaced, so that a run that was killed can be repeated.
    """
    if not deliveries:
        return
    rows = [{**asdict(each), "loaded_at": each.loaded_at.astimezone(UTC).isoformat()} for each in deliveries]
    places = ", ".join(f":{field.name}" for field in fields(Delivery))
    with DELIVERY_LOG.open(state) as connection:
        connection.executemany(f"insert or replace into deliveries ({_COLUMNS}) values ({places})", rows)


def read(state: Path) -> list[Delivery]:
    """All deliveries in the order in which they arrived. Raises AmkpiError."""
    with DELIVERY_LOG.open(state) as connection:
        rows = connection.execute(f"select {_COLUMNS} from deliveries order by delivery").fetchall()
    return [Delivery(*(*row[:-1], datetime.fromisoformat(row[-1]))) for row in rows]
