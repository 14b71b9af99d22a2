"""The target and weight of each line, looked up day by day. Source: page 2, "Targets go by the days that count"."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from .records import ZERO, Place
from .world import DAY, Period, Target, World, first_day, last_day

# The row in force on a day, and whether it is for the period's own grain; None where no row is in force.
Found = tuple[Target, bool] | None


def lookup(world: World, kpi: str, place: Place, grain: str, day: date) -> Found:
    """The row in force on a day: the first level that has a row dated on or before it."""
    scope, person = place
    owners: list[tuple[str | None, str | None]] = [(None, None)]
    if person is not None:
        role = world.staff.role_on(person, day)
        owners = [(person, None)] + ([(None, role)] if role is not None else [])
    for staff_id, role in owners:
        for asked in (grain, None):
            history = world.targets.get((kpi, scope, asked, staff_id, role), [])
            later = bisect_right(history, day, key=lambda target: target.valid_from)
            if later:
                return history[later - 1], asked is not None
    return None


@dataclass
class Targets:
    """Targets of all lines. Keeps how many days of a month each row was in force.

    Every day is counted, but between two `edges`, the days from which a row of staff or targets holds, one day finds
    what the others find: it is looked up once.
    """

    world: World
    edges: list[date] = field(init=False)
    _days: dict[tuple[Place | None, int], Counter[date]] = field(default_factory=dict)
    _months: dict[tuple[str, Place, str, int, bool], Counter[Found]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = (row.valid_from for history in self.world.targets.values() for row in history)
        self.edges = sorted({date.min, *self.world.staff.epochs, *rows})

    def counts_on(self, place: Place, day: date) -> bool:
        """Whether the day counts for the person or team."""
        scope, person = place
        if person is None:
            return False
        if scope == "own":
            return self.world.staff.role_on(person, day) is not None
        return person in self.world.staff.leads_on(day)

    def _days_of(self, place: Place | None, month: int) -> Counter[date]:
        """How many days of a month count, by the edge before them; without a place, of all its days up to as_of."""
        if (place, month) not in self._days:
            found: Counter[date] = Counter()
            day = first_day(month)
            while day <= min(last_day(month), self.world.as_of):
                edge = self.edges[bisect_right(self.edges, day) - 1]
                if place is None or self.counts_on(place, edge):
                    found[edge] += 1
                day += DAY
            self._days[place, month] = found
        return self._days[place, month]

    def _of_month(self, kpi: str, place: Place, grain: str, month: int, *, all_days: bool) -> Counter[Found]:
        key = (kpi, place, grain, month, all_days)
        if key not in self._months:
            found: Counter[Found] = Counter()
            for edge, number in self._days_of(None if all_days else place, month).items():
                found[lookup(self.world, kpi, place, grain, edge)] += number
            self._months[key] = found
        return self._months[key]

    def of(self, kpi: str, place: Place, period: Period) -> tuple[Fraction | None, Fraction | None]:
        """The period's target and weight."""
        all_days = not any(self._days_of(place, month) for month in period.months)
        days = days_with_target = 0
        weights = targets = shares = ZERO
        for month in period.months:
            for found, number in self._of_month(kpi, place, period.grain, month, all_days=all_days).items():
                days += number
                if found is None or found[0].target <= 0:
                    continue
                row, is_of_own_grain = found
                first, last = (period.start, period.end) if is_of_own_grain else (first_day(month), last_day(month))
                days_with_target += number
                weights += row.weight * number
                targets += row.target * number
                shares += row.target * number / ((last - first).days + 1)
        if not days_with_target:
            return None, None
        if kpi != "client_revenue":
            return targets / days_with_target, weights / days
        return (shares, weights / days) if days_with_target == days else (None, None)
