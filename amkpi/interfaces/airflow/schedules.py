"""When the DAGs run. Airflow reads DAG files again and again, so this imports only `airflow.sdk` and the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable

from amkpi.core.agencies import Agency, current_agencies
from amkpi.core.home import Home
from amkpi.core.settings import ENV_PREFIX, Settings, all_settings, load_settings
from amkpi.interfaces.airflow.assets import landing_asset

# The settings that a schedule depends on.
_PATHS = (("timezone",), ("landing", "watch"), ("landing", "sweep_minutes"), ("closing", "approval_hours"))


def schedule_settings(environment: Mapping[str, str]) -> Settings:
    """The settings on which the schedules depend. Raises AmkpiError.

    Only from the environment: HOME/amkpi.toml may be missing or wrong when Airflow reads the DAG files.
    """
    names = {
        name
        for setting in all_settings()
        if setting.path in _PATHS
        for name in (setting.variable, ENV_PREFIX + setting.flat_name.upper())
    }
    return load_settings(
        Home.at(Path("/nowhere")), {name: environment[name] for name in names if environment.get(name)}
    )


def common_settings() -> Settings | None:
    """With many agencies: the settings of all of them, which are those of the environment. Raises AmkpiError."""
    return None if current_agencies() is None else environment_settings()


def environment_settings() -> Settings:
    """The settings of the environment alone. Raises AmkpiError."""
    return load_settings(Home.at(Path("/nowhere")))


def load_schedule(agency: Agency | None, settings: Settings) -> Any:
    """The schedule of `amkpi_load_extracts`: the landing trigger and the sweep; each works without the other.

    With many agencies one task sweeps for all of them, in `amkpi_watch_over`: 500 runs every ten minutes would use
    a third of two cores to find nothing.
    """
    landing = landing_asset(agency, watched=settings.landing.watch)
    if agency is not None:
        return [landing]
    minutes, sweep = settings.landing.sweep_minutes, None
    if minutes:
        cron = f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *"
        sweep = CronTriggerTimetable(cron, timezone=settings.timezone)
    if not settings.landing.watch:
        return sweep
    return [landing] if sweep is None else AssetOrTimeSchedule(timetable=sweep, assets=landing)


def daily(hour: int, minute: int, agency: Agency | None) -> CronTriggerTimetable:
    """Every day at this time in the agency's time zone: that of agencies.toml, else AMKPI_TIMEZONE."""
    zone = SCHEDULE_SETTINGS.timezone if agency is None or agency.timezone is None else agency.timezone
    return CronTriggerTimetable(f"{minute} {hour} * * *", timezone=zone)


def nightly(agency: Agency | None) -> CronTriggerTimetable:
    """When the marts of the new day are built."""
    return daily(2, 0, agency)


def after_nightly(agency: Agency | None) -> CronTriggerTimetable:
    """When the night's publication is there."""
    return daily(3, 30, agency)


def in_the_morning(agency: Agency | None) -> CronTriggerTimetable:
    """When a person is asked."""
    return daily(6, 0, agency)


SCHEDULE_SETTINGS = schedule_settings(os.environ)
# Between the sweeps, so that both do not use the two cores at the same time.
EVERY_TEN_MINUTES = CronTriggerTimetable("5-59/10 * * * *", timezone=SCHEDULE_SETTINGS.timezone)
