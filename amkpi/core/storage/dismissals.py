"""Rows of the quarantine that a person has set aside: which, by whom, why and when. Kept in HOME/state/.

A dismissal that is taken back is kept too, with by whom, why and when.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amkpi.core.storage.migrations.state_stores import DISMISSALS

_COLUMNS = "extract, delivery, line, by, why, at"


@dataclass(frozen=True, order=True)
class Dismissal:
    """One row that is set aside. delivery, line: the row; at: an aware moment."""

    extract: str
    delivery: int
    line: int
    by: str
    why: str
    at: datetime


@dataclass(frozen=True, order=True)
class TakenBack:
    """A dismissal that counts no more. at: an aware moment."""

    dismissal: Dismissal
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


def take_back(state: Path, rows: Iterable[tuple[str, int, int]], by: str, why: str, at: datetime) -> None:
    """Take the dismissals of rows back: extract, delivery and line of each. Raises AmkpiError."""
    wanted = [(by, why, at.astimezone(UTC).isoformat(), *row) for row in rows]
    if wanted:
        with DISMISSALS.open(state) as connection:
            of_row = "from dismissals where extract = ? and delivery = ? and line = ?"
            connection.executemany(
                "insert into taken_back (extract, delivery, line, by, why, at, back_by, back_why, back_at)"
                f" select extract, delivery, line, by, why, at, ?, ?, ? {of_row}",
                wanted,
            )
            connection.executemany(f"delete {of_row}", [row[3:] for row in wanted])


def read_taken_back(state: Path) -> list[TakenBack]:
    """All dismissals that were taken back, by extract, delivery, line and moment. Raises AmkpiError."""

    def taken_back(*row: Any) -> TakenBack:
        *dismissed, by, why, at = row
        return TakenBack(_dismissal(*dismissed), by, why, datetime.fromisoformat(at))

    columns = f"{_COLUMNS}, back_by, back_why, back_at"
    return sorted(DISMISSALS.read(state, f"select {columns} from taken_back", taken_back))


def read(state: Path) -> list[Dismissal]:
    """All dismissals that count, by extract, delivery and line. Raises AmkpiError."""
    return sorted(DISMISSALS.read(state, f"select {_COLUMNS} from dismissals", _dismissal))


def _dismissal(*row: Any) -> Dismissal:
    extract, delivery, line, by, why, at = row
    return Dismissal(extract, delivery, line, by, why, datetime.fromisoformat(at))
