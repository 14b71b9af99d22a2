"""One run: for which agency, with which settings, as of which date, by which clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings, load_settings

Progress = Callable[[str], None]


def silent(line: str) -> None:
    """A progress that shows nothing."""


def utc_now() -> datetime:
    """The moment it is; the one clock of the pipeline."""
    return datetime.now(UTC)


def sample_date() -> date:
    """Until when the sample agency's history goes when nobody says: today where most users are."""
    return datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()


@dataclass(frozen=True)
class Run:
    """For which agency, with which settings, as of which date, by which clock.

    historical: publish a historical publication: a file of an earlier date that does not become the current one.
    """

    home: Home
    settings: Settings
    as_of: date
    now: Callable[[], datetime] = utc_now
    historical: bool = False

    @classmethod
    def prepare(cls, home: Path | None = None, landing: Path | None = None, as_of: str | None = None) -> Run:
        """The run that arguments, and for those not given AMKPI_HOME, AMKPI_LANDING and AMKPI_AS_OF, describe.

        as_of: YYYY-MM-DD; today in the agency's time zone when nobody says. Raises AmkpiError.
        """
        given_home = home or os.environ.get("AMKPI_HOME")
        if not given_home:
            raise AmkpiError("no home given: say --home DIR, or set AMKPI_HOME")
        given_landing = landing or os.environ.get("AMKPI_LANDING")
        place = Home.at(Path(given_home), Path(given_landing) if given_landing else None)
        settings = load_settings(place)
        text = as_of or os.environ.get("AMKPI_AS_OF")
        try:
            day = date.fromisoformat(text) if text else settings.today()
        except ValueError as error:
            raise AmkpiError(f"--as-of {text!r} is no date: say it as YYYY-MM-DD") from error
        return cls(place, settings, day)

    def said(self) -> dict[str, Any]:
        """What the later steps of a run must be told, JSON-ready: so that no midnight comes between them."""
        return {"as_of": self.as_of.isoformat(), "historical": self.historical}
