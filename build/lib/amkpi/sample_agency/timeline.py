"""Days as integers, months, working days and the Tết season, and when the stories of a block happen.

A day is `date.toordinal()`: the generator compares and adds days millions of times, and integers do that several
times faster than dates.
"""

import calendar
import random
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TypeAlias

Day: TypeAlias = int

# First day of the lunar year in Vietnam (2030 differs from China by one day).
TET_DATES = (
    date(2020, 1, 25),
    date(2021, 2, 12),
    date(2022, 2, 1),
    date(2023, 1, 22),
    date(2024, 2, 10),
    date(2025, 1, 29),
    date(2026, 2, 17),
    date(2027, 2, 6),
    date(2028, 1, 26),
    date(2029, 2, 13),
    date(2030, 2, 2),
)
_TET = tuple(day.toordinal() for day in TET_DATES)
# Public holidays: Tết, New Year, 30 April, 1 May, 2 September. Nobody signs, delivers or answers on these days.
_HOLIDAYS = frozenset(
    [tet + offset for tet in _TET for offset in range(-2, 6)]
    + [date(tet.year, month, day).toordinal() for tet in TET_DATES for month, day in ((1, 1), (4, 30), (5, 1), (9, 2))]
)

PEAK = 1.5
_QUIET = 0.2
_PLAIN = 0.92


@cache
def iso(day: Day) -> str:
    """`YYYY-MM-DD` of a day."""
    return date.fromordinal(day).isoformat()


def working(day: Day) -> Day:
    """The day itself, or the next one that is neither weekend nor holiday."""
    while (day + 6) % 7 >= 5 or day in _HOLIDAYS:
        day += 1
    return day


@cache
def season(day: Day) -> float:
    """How busy a day is, 1 being ordinary: a peak in the two months before Tết, quiet around it."""
    for tet in _TET:
        if -7 <= day - tet <= 12:
            return _QUIET
        if -65 <= day - tet < -7:
            return PEAK
    return _PLAIN


@dataclass(frozen=True)
class Month:
    """A calendar month with its first and last day."""

    year: int
    number: int
    first: Day
    last: Day

    @property
    def days(self) -> int:
        return self.last - self.first + 1


@cache
def month_at(index: int) -> Month:
    """The month number `index`, counted from January of the year 0."""
    year, number = index // 12, index % 12 + 1
    first = date(year, number, 1).toordinal()
    return Month(year, number, first, first + calendar.monthrange(year, number)[1] - 1)


@cache
def month_index(day: Day) -> int:
    """The inverse of `month_at`: the index of the month that holds a day."""
    that = date.fromordinal(day)
    return that.year * 12 + that.month - 1


def months_later(day: Day, months: int) -> Day:
    """The same day of the month `months` later, or that month's last day where it is shorter."""
    month = month_at(month_index(day) + months)
    return min(month.first + date.fromordinal(day).day - 1, month.last)


@cache
def month_season(index: int) -> float:
    """Mean of `season` over a month."""
    month = month_at(index)
    return sum(season(day) for day in range(month.first, month.last + 1)) / month.days


def busy_day(rng: random.Random, month: Month) -> Day:
    """A working day of the month, likelier where the season is busy; may slip past the month's end by a holiday."""
    day = month.first + int(rng.random() * month.days)
    for _ in range(3):
        if season(day) >= rng.random():
            break
        day = month.first + int(rng.random() * month.days)
    return working(day)


@dataclass(frozen=True)
class Window:
    """The months that the sample covers; `as_of` lies in the last one. Nothing that happens is dated after `as_of`."""

    first_month: int
    months: int
    as_of: Day

    @classmethod
    def ending(cls, as_of: date, months: int) -> "Window":
        day = as_of.toordinal()
        return cls(month_index(day) - months + 1, months, day)

    @property
    def last_month(self) -> int:
        return self.first_month + self.months - 1

    @property
    def first(self) -> Day:
        return month_at(self.first_month).first

    @property
    def horizon(self) -> Day:
        """The last day of as_of's month: the story is drawn up to here and then cut at as_of, so that two dates of one
        month show the same agency."""
        return month_at(self.last_month).last

    def at(self, share: float) -> Day:
        """The first day of the month after `share` of the months (0: the first month, 1: the last)."""
        return month_at(self.first_month + round(share * (self.months - 1))).first

    def known(self, day: Day | None) -> str:
        """The day as text where it has come by as_of, else an empty cell."""
        return "" if day is None or day > self.as_of else iso(day)


@dataclass(frozen=True)
class Stories:
    """The days of what happens to people; each is the first of a month.

    handover: a manager gives two clients to a colleague. reorganisation: a manager moves under another director.
    promotion: an executive becomes account manager. manager_leaves: a manager leaves and the clients move.
    trouble: from here on one director's team does badly. new_hire: an account manager begins.
    """

    handover: Day
    reorganisation: Day
    promotion: Day
    executive_leaves: Day
    leave_begins: Day
    leave_ends: Day
    manager_leaves: Day
    trouble: Day
    new_hire: Day

    @classmethod
    def drawn(cls, rng: random.Random, window: Window) -> "Stories":
        """Spreads the stories over the window; the trouble fills the last six months, the hire is two months old."""

        def about(share: float) -> Day:
            return window.at(share + (rng.random() - 0.5) * 0.06)

        leave_begins = about(0.3)
        return cls(
            handover=about(0.38),
            reorganisation=about(0.46),
            promotion=about(0.54),
            executive_leaves=about(0.6),
            leave_begins=leave_begins,
            leave_ends=max(about(0.5), months_later(leave_begins, 1)),
            manager_leaves=about(0.68),
            trouble=month_at(max(window.first_month + 1, window.last_month - 6)).first,
            new_hire=month_at(max(window.first_month + 1, window.last_month - 2)).first,
        )
