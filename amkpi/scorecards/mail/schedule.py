"""When which scorecards are due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from amkpi.core.language.periods import Period
from amkpi.core.setting_groups.group import Cadence
from amkpi.scorecards.mail.options import Options


@dataclass(frozen=True)
class DueScorecards:
    """Scorecards that are due. since: the due date; they need a publication of that date or later."""

    grain: str
    period: str
    since: date


# How long after its end a period is mailed at the latest: until the next quarter ends. A new agency does not mail the
# year before last spring.
_LATEST = 92


def due(now: datetime, options: Options) -> tuple[DueScorecards, ...]:
    """The scorecards that are due now. Nobody gets the same scorecard twice, so a caller may send all of them again.

    now: aware, in the agency's time zone. A running month is due once a week, from some days after the week's end until
    the month ends. A finished month, quarter or year is due once, some days after its end, at the hour.
    """
    found: list[DueScorecards] = []
    today = now.date()
    finished: tuple[Cadence, ...] = ("month", "quarter", "year")
    for grain in finished:
        before = Period.holding(grain, today).before()
        day = before.end + timedelta(days=options.after_days[grain])
        is_late = (today - before.end).days > _LATEST
        if grain in options.cadences and now >= _at(now, day, options.hour) and not is_late:
            found.append(DueScorecards(grain, before.key, day))
    month = Period.holding("month", today)
    sunday = today - timedelta(days=today.weekday() + 1)
    day = sunday + timedelta(days=options.after_days["week"])
    # A day of the month before had its mail already: the new month's first mail is due on its first such weekday.
    if "week" in options.cadences and day >= month.start and now >= _at(now, day, options.hour):
        found.append(DueScorecards("month", month.key, day))
    return tuple(found)


def _at(now: datetime, day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=now.tzinfo or ZoneInfo("UTC"))
