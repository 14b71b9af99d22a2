"""Settings with some values changed."""

from __future__ import annotations

from typing import Any

from amkpi.core.settings import Settings, all_settings


def changed(settings: Settings, **changes: Any) -> Settings:
    """The settings with these values, by their flat names; the values are not validated."""
    known = {setting.flat_name: setting for setting in all_settings()}
    for flat_name, value in changes.items():
        setting = known[flat_name]
        new = {setting.name: value}
        if setting.group:
            new = {setting.group: getattr(settings, setting.group).model_copy(update=new)}
        settings = settings.model_copy(update=new)
    return settings
