"""When the DAGs run. Airflow reads DAG files again and again, so this imports only `airflow.sdk` and the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable

from amkpi.core.home import Home
from amkpi.core.settings import ENV_PREFIX, Settings, all_settings, load_settings
from amkpi.interfaces.airflow.assets import LANDING

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


def load_schedule(settings: Settings) -> Any:
    """The schedule of `amkpi_load_extracts`: the landing trigger and the sweep; each works without the other."""
    minutes, sweep = settings.landing.sweep_minutes, None
    if minutes:
        cron = f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *"
        sweep = CronTriggerTimetable(cron, timezone=settings.timezone)
    if not settings.landing.watch:
        return sweep
    return [LANDING] if sweep is None else AssetOrTimeSchedule(timetable=sweep, assets=LANDING)


SCHEDULE_SETTINGS = schedule_settings(os.environ)
TIMEZONE = SCHEDULE_SETTINGS.timezone
NIGHTLY = CronTriggerTimetable("0 2 * * *", timezone=TIMEZONE)
AFTER_NIGHTLY = CronTriggerTimetable("30 3 * * *", timezone=TIMEZONE)
# A person is asked in the morning, when the nightly publication is there.
IN_THE_MORNING = CronTriggerTimetable("0 6 * * *", timezone=TIMEZONE)
# Between the sweeps, so that both do not use the two cores at the same time.
EVERY_TEN_MINUTES = CronTriggerTimetable("5-59/10 * * * *", timezone=TIMEZONE)
