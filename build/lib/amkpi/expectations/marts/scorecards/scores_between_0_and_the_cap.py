"""No score exceeds what the cap on attainment allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from great_expectations.expectations import ExpectColumnValuesToBeBetween

from amkpi.core.settings import Settings
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, ColumnExpectation
from amkpi.expectations.sql.numbers import SCORECARD_KEYS, TOLERANCE


class ScoresBetween0AndTheCap(ColumnExpectation, ExpectColumnValuesToBeBetween):  # type: ignore[misc]
    """Weighted scores lie between 0 and 100 times `attainment_cap`."""

    name = "scores_between_0_and_the_cap"
    table = "marts.scorecards"
    column_name = "weighted_score"
    severity = BLOCKING
    keys = SCORECARD_KEYS
    advice = MODELS_ARE_BROKEN

    @classmethod
    def arguments(cls, settings: Settings, context: AuditContext) -> Mapping[str, Any]:
        return {"min_value": 0, "max_value": 100 * settings.kpi.attainment_cap * (1 + TOLERANCE)}
