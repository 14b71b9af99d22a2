"""Every rating is one that the settings define."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from great_expectations.expectations import ExpectColumnValuesToBeInSet

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, ColumnExpectation
from amkpi.expectations.sql.numbers import SCORECARD_KEYS


class RatingsAreOfTheBands(ColumnExpectation, ExpectColumnValuesToBeInSet):  # type: ignore[misc]
    """Ratings are among those of `rating_bands`."""

    name = "ratings_are_of_the_bands"
    table = "marts.scorecards"
    column_name = "rating"
    severity = BLOCKING
    keys = SCORECARD_KEYS
    advice = "Run `amkpi build` again: the marts were built with other rating_bands than the settings have now."

    @classmethod
    def arguments(cls, settings: Settings, context: AuditContext) -> Mapping[str, Any]:
        return {"value_set": [band.rating for band in settings.kpi.rating_bands]}
