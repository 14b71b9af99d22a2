"""A ratio of counts is a share."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.kpis import is_share, listed, names
from amkpi.expectations.sql.numbers import values_outside


class RatiosBetween0And1(FailingRowsExpectation):
    """The values of KPIs that are a ratio of counts lie between 0 and 1."""

    name = "ratios_between_0_and_1"
    table = "marts.kpi_values"
    column_name = "value"
    severity = BLOCKING
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return values_outside(listed(names(is_share)), 0, 1)
