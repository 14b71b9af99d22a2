"""A month is a month, a quarter three months, and so on."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.core.storage.sql import literal
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.kpis import names


class PeriodsSpanTheirGrain(FailingRowsExpectation):
    """Each period starts and ends on the days that its grain says."""

    name = "periods_span_their_grain"
    table = "marts.kpi_values"
    column_name = "period_end"
    severity = BLOCKING
    singular, plural = "period", "periods"
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        # The periods of any one KPI are enough: everyone_has_all_eight_kpis checks that all KPIs have the same ones.
        return f"""
            with grains (period_grain, starts_on, months) as (
                values ('month', 'month', 1), ('quarter', 'quarter', 3), ('year', 'year', 12),
                    ('trailing_12m', 'month', 12)
            ),
            periods as (
                select distinct period_grain, period_start, period_end
                from {{batch}}
                where kpi = {literal(min(names()))}
            )
            select periods.period_grain || ' ' || period_start || ' to ' || period_end as what
            from periods
            left join grains on periods.period_grain = grains.period_grain
            where grains.months is null
                or period_start <> date_trunc(grains.starts_on, period_start)
                or period_end <> period_start + to_months(grains.months) - interval 1 day
        """
