"""One run: its agency, settings, date and clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from amkpi.core.agencies import Agency, current_agencies
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings, load_settings

Progress = Callable[[str], None]


def silent(line: str) -> None:
    """A progress that shows nothing."""


def utc_now() -> datetime:
    """The current moment; the only clock of the pipeline."""
    return datetime.now(UTC)


def sample_date() -> date:
    """The last date of the sample agency if none is given: today in Vietnam, where most users are."""
    return datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()


@dataclass(frozen=True)
class Run:
    """What a step needs to know: the agency's HOME, its settings, the date of the run, and the clock.

    historical: publish a historical publication: a file of an earlier date that does not become the current one.
    """

    home: Home
    settings: Settings
    as_of: date
    now: Callable[[], datetime] = utc_now
    historical: bool = False

    @classmethod
    def prepare(cls, home: Path | None = None, landing: Path | None = None, as_of: str | None = None) -> Run:
        """The run for these arguments; AMKPI_HOME, AMKPI_LANDING and AMKPI_AS_OF stand in for missing ones.

        as_of: YYYY-MM-DD; by default today in the agency's time zone. Raises AmkpiError.
        """
        given_home = home or os.environ.get("AMKPI_HOME")
        if not given_home:
            raise AmkpiError("no home given: use --home DIR, or set AMKPI_HOME")
        group = None if home else current_agencies()
        if group is not None and group.of_home(Home.at(Path(given_home))) is None:
            # The image sets AMKPI_HOME. A load there would begin an agency that nobody has.
            raise AmkpiError(f"AMKPI_HOME is no agency of {group.file}: use --agency CODE, or --home DIR")
        given_landing = landing or os.environ.get("AMKPI_LANDING")
        return cls._at(Home.at(Path(given_home), Path(given_landing) if given_landing else None), as_of)

    @classmethod
    def of_agency(cls, agency: Agency, as_of: str | None = None) -> Run:
        """The run of an agency of agencies.toml. AMKPI_HOME and AMKPI_LANDING do not count.

        Its HOME must exist: a worker on another machine would else begin a second one there. Raises AmkpiError.
        """
        if not agency.home.root.is_dir():
            raise AmkpiError(
                f"no folder {agency.home.root} on this machine for the agency {agency.code}: create it, or let its"
                " tasks run where it is (`queue` in agencies.toml)"
            )
        return cls._at(agency.home, as_of)

    @classmethod
    def _at(cls, place: Home, as_of: str | None) -> Run:
        settings = load_settings(place)
        text = as_of or os.environ.get("AMKPI_AS_OF")
        try:
            day = date.fromisoformat(text) if text else settings.today()
        except ValueError as error:
            raise AmkpiError(f"--as-of {text!r} is not a date: write it as YYYY-MM-DD") from error
        return cls(place, settings, day)

    def to_xcom(self) -> dict[str, Any]:
        """What later tasks of a DAG run need, JSON-ready: all use one date, even if midnight passes between them."""
        return {"as_of": self.as_of.isoformat(), "historical": self.historical}
