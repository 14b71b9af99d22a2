"""When which scorecards are due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from amkpi.core.language.periods import Period
from amkpi.scorecards.mail.options import Options


@dataclass(frozen=True)
class DueScorecards:
    """Scorecards that are due. since: the due date; they need a publication of that date or later."""

    grain: str
    period: str
    since: date


def due(now: datetime, options: Options) -> tuple[DueScorecards, ...]:
    """The scorecards that are due now. Nobody gets the same scorecard twice, so a caller may send all of them again.

    now: aware, in the agency's time zone. A running month is due once a week: from Monday at the hour, until the month
    ends. A finished month is due once: some days after its end, at the hour.
    """
    found: list[DueScorecards] = []
    today = now.date()
    month = Period.holding("month", today)
    before = month.before()
    closes = before.end + timedelta(days=options.close_after_days)
    if now >= _at(now, closes, options.weekly_hour):
        found.append(DueScorecards("month", before.key, closes))
    monday = today - timedelta(days=today.weekday())
    # A week that began in the month before had its mail already: the new month's first mail is due on its first Monday.
    if monday >= month.start and now >= _at(now, monday, options.weekly_hour):
        found.append(DueScorecards("month", month.key, monday))
    return tuple(found)


def _at(now: datetime, day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=now.tzinfo or ZoneInfo("UTC"))
