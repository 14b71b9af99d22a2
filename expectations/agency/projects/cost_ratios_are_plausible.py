"""A project that cost less than nothing, or many times its budget, is often a booking or typing error."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation

_LOWEST, _HIGHEST = 0, 3


class CostRatiosArePlausible(FailingRowsExpectation):
    """Recently delivered projects cost between nothing and three times their budget."""

    name = "cost_ratios_are_plausible"
    table = "kpis.kpi_cost_to_budget_ratio"
    column_name = "numerator"
    severity = WARNING
    singular, plural = "project", "projects"
    advice = (
        "Look for costs booked on the wrong project, a credit note without its invoice, a budget in another currency or"
        " without its last digits; correct them at the source and deliver them again. If the figures are right, do"
        " nothing: they count."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            select distinct
                record.source_id || coalesce(' of ' || client.client_name, '') || ', delivered ' || record.event_date
                || ', cost ' || format('{{{{:,}}}}', cast(round(record.numerator) as bigint))
                || ' of ' || format('{{{{:,}}}}', cast(round(record.denominator) as bigint))
                || ' = ' || round(record.numerator / record.denominator, 2) as what
            from {{batch}} as record
            left join marts.dim_client as client on record.client_id = client.client_id
            where record.event_date > (date '{context.as_of}' - {settings.audit.days})
                and record.denominator > 0
                and record.numerator / record.denominator not between {_LOWEST} and {_HIGHEST}
        """
