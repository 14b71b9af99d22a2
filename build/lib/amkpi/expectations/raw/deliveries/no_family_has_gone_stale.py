"""A family without new rows leaves its KPIs behind the others."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.ingestion.contracts.extracts import EXTRACTS


class NoFamilyHasGoneStale(FailingRowsExpectation):
    """Each family that was ever loaded had new rows within its number of days, by the calendar of the agency."""

    name = "no_family_has_gone_stale"
    table = "raw.ledger"
    column_name = "loaded_at"
    severity = WARNING
    singular, plural = "family", "families"
    advice = (
        "Check whether the export still runs and still writes to LANDING; a file with the same bytes as before loads"
        " nothing. If the family is rightly delivered less often, raise its setting stale_…_days."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        zone = ZoneInfo(settings.timezone)
        allowed = settings.audit.stale_days
        return f"""
            with declared (family, extract, allowed) as (
                values {", ".join(f"('{e.family}', '{e.name}', {allowed[e.family]})" for e in EXTRACTS.values())}
            ),
            newest as (
                select
                    declared.family,
                    declared.allowed,
                    max(cast(timezone('{zone.key}', ledger.loaded_at) as date)) as last_day
                from {{batch}} as ledger
                inner join declared on ledger.extract = declared.extract
                where ledger.status = 'loaded' and ledger.rows_read > 0
                group by declared.family, declared.allowed
            ),
            aged as (
                select *, date '{context.moment.astimezone(zone).date()}' - last_day as days from newest
            )
            select
                family || ', last rows ' || last_day || ', ' || days || ' days ago (' || allowed || ' allowed)' as what
            from aged
            where days > allowed
        """
