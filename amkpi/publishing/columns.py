"""Marts with a row for each member and period, in columns. A row becomes an object only where somebody asks for it.

A company of 500 people has 320,000 values. As objects they take seconds and hundreds of megabytes; in columns a tenth
of a second and 25 MB. To make an object of a row takes 3 µs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

import duckdb

V = TypeVar("V")
# The member as (scope, staff_id), the thing, and the period as (grain, first day).
Key = tuple[tuple[str, str | None], str, tuple[str, date]]

# Objects of rows that are kept. A page asks for a value several times, and readers of one team for the same ones.
_MOST_KEPT = 50_000
_ROWS = """
select
    (members.number * $things_count + list_position($things::varchar[], {thing}) - 1) * $periods_count + periods.number
        as place,
    {columns}
from {mart} as rows
inner join (
    select unnest($scopes::varchar[]) as scope, unnest($staff_ids::varchar[]) as staff_id,
        unnest(range($members_count)) as number
) as members
    on rows.scope = members.scope and rows.staff_id is not distinct from members.staff_id
inner join (
    select unnest($grains::varchar[]) as period_grain, unnest($starts::date[]) as period_start,
        unnest(range($periods_count)) as number
) as periods
    on rows.period_grain = periods.period_grain and rows.period_start = periods.period_start
order by place
"""


@dataclass(frozen=True)
class Numbers:
    """By which numbers rows are found: of the members, as (scope, staff_id), and of the periods, as (grain, start)."""

    members: Mapping[tuple[str, str | None], int]
    periods: Mapping[tuple[str, date], int]


def read_numbers(connection: duckdb.DuckDBPyConnection, grain: str | None = None) -> Numbers:
    """Number the members and periods of an open publication. grain: only its periods."""
    of_grain = "where period_grain = ?" if grain else ""
    given = [grain] if grain else []
    members, periods = (
        connection.execute(f"select distinct {keys} from scorecards {of_grain} order by all", given).fetchall()
        for keys in ("scope, staff_id", "period_grain, period_start")
    )
    return Numbers(
        {(scope, staff_id): number for number, (scope, staff_id) in enumerate(members)},
        {(grain, start): number for number, (grain, start) in enumerate(periods)},
    )


class Rows:
    """A mart with at most one row for each member, thing and period. A thing is what it has several of: a KPI."""

    def __init__(self, numbers: Numbers, things: Sequence[str], table: Any) -> None:
        """table: of Arrow, sorted by its first column: the place of a row. The other columns are what a row has."""
        self._numbers = numbers
        self._things = {thing: number for number, thing in enumerate(things)}
        places, *self._columns = (column.combine_chunks() for column in table.columns)
        self._places: Sequence[int] = ()
        if len(places):
            self._places = memoryview(places.buffers()[1]).cast("q")[places.offset : places.offset + len(places)]

    def place(self, member: tuple[str, str | None], thing: str, period: tuple[str, date]) -> int | None:
        """Where the row of a member, thing and period would be; None where one of them is unknown."""
        numbers = self._numbers
        of_member, of_thing = numbers.members.get(member), self._things.get(thing)
        of_period = numbers.periods.get(period)
        if of_member is None or of_thing is None or of_period is None:
            return None
        return (of_member * len(self._things) + of_thing) * len(numbers.periods) + of_period

    def has(self, place: int) -> bool:
        """Whether there is a row at a place."""
        return self._row(place) is not None

    def read(self, place: int, columns: slice) -> tuple[Any, ...] | None:
        """Some columns of the row at a place; None where there is no row."""
        row = self._row(place)
        return None if row is None else tuple(column[row].as_py() for column in self._columns[columns])

    def __iter__(self) -> Iterator[Key]:
        """The member, thing and period of each row."""
        members, periods, things = list(self._numbers.members), list(self._numbers.periods), list(self._things)
        for place in self._places:
            rest, of_period = divmod(place, len(periods))
            of_member, of_thing = divmod(rest, len(things))
            yield members[of_member], things[of_thing], periods[of_period]

    def _row(self, place: int) -> int | None:
        row = bisect_left(self._places, place)
        return row if row < len(self._places) and self._places[row] == place else None


class Columns(Generic[V]):
    """Some columns of the rows of a mart, as objects."""

    def __init__(self, rows: Rows, make: Callable[..., V], columns: slice = slice(None)) -> None:
        """make: an object of these columns of a row."""
        self.rows, self._make, self._columns = rows, make, columns
        self._kept: dict[int, V] = {}

    def get(self, member: tuple[str, str | None], thing: str, period: tuple[str, date]) -> V | None:
        """The object of a member, thing and period; None where there is no row."""
        place = self.rows.place(member, thing, period)
        if place is None:
            return None
        kept = self._kept.get(place)
        if kept is None and (row := self.rows.read(place, self._columns)) is not None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[place] = self._make(*row)
        return kept

    def __iter__(self) -> Iterator[Key]:
        """The member, thing and period of each row."""
        return iter(self.rows)


def read_rows(
    connection: duckdb.DuckDBPyConnection, numbers: Numbers, mart: str, columns: Sequence[str], thing: str = "''"
) -> Rows:
    """Read columns of a mart of an open publication.

    mart: its name, or a query in brackets. columns: SQL of each. thing: the column of what a member has several of.
    """
    things = [row[0] for row in connection.execute(f"select distinct {thing} from {mart} order by all").fetchall()]
    table = connection.sql(
        _ROWS.format(mart=mart, columns=", ".join(columns), thing=thing),
        params={
            "things": things,
            "things_count": len(things),
            "scopes": [scope for scope, _ in numbers.members],
            "staff_ids": [staff_id for _, staff_id in numbers.members],
            "members_count": len(numbers.members),
            "grains": [grain for grain, _ in numbers.periods],
            "starts": [start for _, start in numbers.periods],
            "periods_count": len(numbers.periods),
        },
    ).to_arrow_table()
    return Rows(numbers, things, table)
