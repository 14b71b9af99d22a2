"""An exchange rate that is much older than the amount it converts gives wrong figures."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation


class RatesAreRecentWhenUsed(FailingRowsExpectation):
    """Each recent amount in a foreign currency is converted at a rate of at most `max_rate_age_days` before it."""

    name = "rates_are_recent_when_used"
    table = "intermediate.int_fx_history"
    column_name = "rate_date"
    severity = WARNING
    singular, plural = "rate", "rates"
    advice = (
        "Deliver the missing rates in `fx_rates`, each with its own date; the next build uses them. These amounts are"
        " converted at a rate that was old on their date. The setting max_rate_age_days says what is old."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            {cls._uses_of_rates(settings, context)}
            select
                currency || ' of ' || rate_date || ' for ' || count(*)
                || case when count(*) = 1 then ' record' else ' records' end
                || ', up to ' || max(days) || ' days later' as what
            from aged
            where days > {settings.audit.max_rate_age_days}
            group by currency, rate_date
        """

    @classmethod
    def concerned_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            {cls._uses_of_rates(settings, context)}
            select extract || ' ' || id || ' of ' || used_on || ', ' || currency || ' of ' || rate_date as what
            from aged
            where days > {settings.audit.max_rate_age_days}
        """

    @classmethod
    def _uses_of_rates(cls, settings: Settings, context: AuditContext) -> str:
        """Each amount that is converted, its rate, and the age of the rate in days: aged(...)."""
        as_of = f"date '{context.as_of}'"
        return f"""
            with dated as (
                select 'contracts' as extract, contract_id as id, currency, signed_date as used_on
                from staging.stg_contracts
                union all
                select 'project_costs', cost_id, currency, cost_date from staging.stg_project_costs
                union all
                select 'projects', project_id, currency, start_date from staging.stg_projects where budget_amount > 0
            ),
            aged as (
                select dated.*, rates.valid_from as rate_date, dated.used_on - rates.valid_from as days
                from dated
                inner join {{batch}} as rates
                    on dated.currency = rates.currency
                    and dated.used_on between rates.valid_from and rates.valid_to
                where dated.currency <> '{settings.kpi.reporting_currency}'
                    and dated.used_on > ({as_of} - {settings.audit.days})
                    and dated.used_on <= {as_of}
            )
        """
