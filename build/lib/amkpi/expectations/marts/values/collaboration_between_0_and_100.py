"""Scores of peer reviews are scaled to 0 to 100."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.kpis import listed, names
from amkpi.expectations.sql.numbers import values_outside


class CollaborationBetween0And100(FailingRowsExpectation):
    """The values of KPIs with the unit `score` lie between 0 and 100."""

    name = "collaboration_between_0_and_100"
    table = "marts.kpi_values"
    column_name = "value"
    severity = BLOCKING
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return values_outside(listed(names(lambda kpi: kpi.unit == "score")), 0, 100)
