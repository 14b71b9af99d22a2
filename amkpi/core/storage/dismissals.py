"""Rows of the quarantine that a person has set aside: which, by whom, why and when. Kept in HOME/state/."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

from amkpi.core.storage.migrations.state_stores import DISMISSALS


@dataclass(frozen=True, order=True)
class Dismissal:
    """One row that is set aside. delivery, line: the row; at: an aware moment."""

    extract: str
    delivery: int
    line: int
    by: str
    why: str
    at: datetime


def add(state: Path, dismissals: Iterable[Dismissal]) -> None:
    """Keep dismissals; the first of a row stays. Raises AmkpiError."""
    rows = [(*astuple(each)[:-1], each.at.astimezone(UTC).isoformat()) for each in dismissals]
    if rows:
        with DISMISSALS.open(state) as connection:
            connection.executemany(
                "insert or ignore into dismissals (extract, delivery, line, by, why, at) values (?, ?, ?, ?, ?, ?)",
                rows,
            )


def read(state: Path) -> list[Dismissal]:
    """All dismissals, by extract, delivery and line. Raises AmkpiError."""
    if not DISMISSALS.exists(state):
        return []
    with DISMISSALS.open(state) as connection:
        rows = connection.execute("select extract, delivery, line, by, why, at from dismissals").fetchall()
    return sorted(Dismissal(*(*row[:-1], datetime.fromisoformat(row[-1]))) for row in rows)
