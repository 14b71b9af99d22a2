"""A division by zero in DuckDB gives infinity or NaN, not an error."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.numbers import WHO_AND_WHEN


class NumbersAreFinite(FailingRowsExpectation):
    """No value, numerator or denominator is infinite or not a number."""

    name = "numbers_are_finite"
    table = "marts.kpi_values"
    column_name = "value"
    severity = BLOCKING
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            select kpi || ' ' || {WHO_AND_WHEN} as what
            from {{batch}}
            where not (isfinite(coalesce(value, 0)) and isfinite(coalesce(numerator, 0))
                and isfinite(coalesce(denominator, 0)))
        """
