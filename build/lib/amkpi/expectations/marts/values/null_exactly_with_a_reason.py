"""Readers must see why there is no value."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.numbers import WHO_AND_WHEN


class NullExactlyWithAReason(FailingRowsExpectation):
    """A row has either a value or a reason why there is none."""

    name = "null_exactly_with_a_reason"
    table = "marts.kpi_values"
    column_name = "null_reason"
    severity = BLOCKING
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            select kpi || ' ' || {WHO_AND_WHEN} as what
            from {{batch}}
            where (value is null) <> (null_reason is not null)
        """
