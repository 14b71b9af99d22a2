"""Periods as scorecards name them: which one is meant, those before it, and what a reader calls it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from babel.dates import format_skeleton

from amkpi.core.errors import AmkpiError
from amkpi.core.language import formatting
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Translator

GRAINS = ("month", "quarter", "year", "trailing_12m")
_SAID = {
    "month": (re.compile(r"(\d{4})-(\d{2})"), "2026-09"),
    "quarter": (re.compile(r"(\d{4})-Q([1-4])"), "2026-Q3"),
    "year": (re.compile(r"(\d{4})"), "2026"),
    "trailing_12m": (re.compile(r"(?:t12m:)?(\d{4})-(\d{2})"), "2026-09"),
}


@dataclass(frozen=True)
class Period:
    """A period of the marts: its grain, first and last day."""

    grain: str
    start: date
    end: date

    @classmethod
    def parse(cls, grain: str, text: str) -> Period:
        """The period that `2026-09`, `2026-Q3`, `2026` or, for trailing_12m, the month it ends with names.

        Raises AmkpiError.
        """
        if grain not in GRAINS:
            raise AmkpiError(f"no grain {grain!r}: say one of {', '.join(GRAINS)}")
        pattern, example = _SAID[grain]
        found = pattern.fullmatch(text)
        try:
            if not found:
                raise ValueError(text)
            year = int(found[1])
            month = 12 if grain == "year" else int(found[2]) * (3 if grain == "quarter" else 1)
            return cls.ending(grain, date(year, month, 1))
        except ValueError as error:
            fitting = next((each for each in GRAINS if each != grain and _SAID[each][0].fullmatch(text)), None)
            hint = f", or give --grain {fitting}" if fitting and not found else ""
            raise AmkpiError(f"--period {text!r} is no {grain}: say it as {example}{hint}") from error

    @classmethod
    def holding(cls, grain: str, day: date) -> Period:
        """The period of that grain that holds the day; of the trailing ones, that which ends with its month."""
        last = {"quarter": 3 * ((day.month + 2) // 3), "year": 12}.get(grain, day.month)
        return cls.ending(grain, date(day.year, last, 1))

    @classmethod
    def ending(cls, grain: str, month: date) -> Period:
        """The period of that grain whose last month begins on `month`."""
        length = {"month": 1, "quarter": 3}.get(grain, 12)
        return cls(grain, _months_after(month, 1 - length), _months_after(month, 1) - timedelta(days=1))

    @classmethod
    def starting(cls, grain: str, start: date) -> Period:
        """The period of that grain whose first day this is."""
        length = {"month": 1, "quarter": 3}.get(grain, 12)
        return cls.ending(grain, _months_after(start, length - 1))

    def before(self, count: int = 1) -> Period:
        """The period so many before this one; trailing ones step by a month."""
        step = {"quarter": 3, "year": 12}.get(self.grain, 1)
        return Period.ending(self.grain, _months_after(self.end.replace(day=1), -step * count))

    def last(self, count: int) -> tuple[Period, ...]:
        """So many periods that end with this one, oldest first."""
        return tuple(self.before(back) for back in range(count - 1, -1, -1))

    @property
    def key(self) -> str:
        """How the command line and file names say it."""
        if self.grain == "quarter":
            return f"{self.end.year}-Q{self.end.month // 3}"
        return str(self.end.year) if self.grain == "year" else f"{self.end:%Y-%m}"

    def name(self, language: Language) -> str:
        """In full, at the head of a scorecard: `Tháng 10 năm 2026`."""
        text = formatting.period(self.grain, self.start, self.end, language)
        return text[:1].upper() + text[1:]

    def short(self, language: Language) -> str:
        """In a subject or a table: `T10/2026`, `Oct 2026`."""
        if self.grain in ("quarter", "year"):
            return formatting.period(self.grain, self.start, self.end, language)
        month = (
            f"T{self.end.month}/{self.end.year}"
            if language == "vi"
            else format_skeleton("yMMM", self.end, locale=language)
        )
        if self.grain == "month":
            return month
        return Translator(language).t("12 months to {month}", month=month)

    def axis(self, language: Language) -> str:
        """Where there is little room, among others of its kind: `T10`, `Oct`, `Q3`, `2026`."""
        if self.grain == "year":
            return str(self.end.year)
        if self.grain == "quarter":
            return f"Q{self.end.month // 3}"
        return f"T{self.end.month}" if language == "vi" else format_skeleton("MMM", self.end, locale=language)


def _months_after(month: date, count: int) -> date:
    place = month.year * 12 + month.month - 1 + count
    return date(place // 12, place % 12 + 1, 1)
