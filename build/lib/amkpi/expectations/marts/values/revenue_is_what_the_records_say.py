"""The company's revenue is computed a second way, straight from the records."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.core.storage.sql import literal
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.kpis import counts_opening_clients, is_sum, listed, names
from amkpi.expectations.sql.numbers import differ


class RevenueIsWhatTheRecordsSay(FailingRowsExpectation):
    """For each KPI that is a sum, the company's value of a period is the sum over the records dated in it.

    The comparison uses the dates of the records, not months, people and scopes as the models do. It also compares the
    sum over all months, so that no record is outside of every period.
    """

    name = "revenue_is_what_the_records_say"
    table = "marts.kpi_values"
    column_name = "value"
    severity = BLOCKING
    singular, plural = "period", "periods"
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        kpis = names(lambda kpi: is_sum(kpi) and not counts_opening_clients(kpi))
        records = " union all ".join(
            f"select {literal(kpi)} as kpi, event_date, numerator from kpis.kpi_{kpi}" for kpi in kpis
        )
        return f"""
            with records as (
                select kpi, event_date, sum(numerator) as numerator from ({records}) group by kpi, event_date
            ),
            shown as (
                select kpi, period_grain, period_start, period_end, value
                from {{batch}}
                where kpi in ({listed(kpis)}) and scope = 'company'
            ),
            shown_months as (
                select kpi, sum(value) as value from shown where period_grain = 'month' group by kpi
            ),
            compared as (
                select
                    shown.kpi || ' ' || shown.period_grain || ' ' || shown.period_start as period,
                    any_value(shown.value) as shown,
                    cast(coalesce(sum(records.numerator), 0) as double) as recorded
                from shown
                left join records
                    on shown.kpi = records.kpi
                    and records.event_date between shown.period_start and shown.period_end
                group by shown.kpi, shown.period_grain, shown.period_start

                union all

                select
                    records.kpi || ' all months' as period,
                    coalesce(any_value(shown_months.value), 0) as shown,
                    cast(coalesce(sum(records.numerator), 0) as double) as recorded
                from records
                left join shown_months on records.kpi = shown_months.kpi
                group by records.kpi
            )
            select
                period || ' shows ' || coalesce(cast(round(shown, 2) as varchar), 'nothing')
                || ', records say ' || round(recorded, 2) as what
            from compared
            where {differ("shown", "recorded", "greatest(abs(shown), abs(recorded))")}
        """
