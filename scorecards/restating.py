"""Why a value of a closed period is another one than was told."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """What moved a value, as `marts.restatements` names it."""

    late_rows = "late_rows"
    corrected_rows = "corrected_rows"
    deleted_rows = "deleted_rows"
    released_rows = "released_rows"
    settings_or_version = "settings_or_version"
