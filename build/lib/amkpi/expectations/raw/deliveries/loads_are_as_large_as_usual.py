"""A load of an unusual size is often an export that broke off, or a full export instead of the changes."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql.ledger import is_new


class LoadsAreAsLargeAsUsual(FailingRowsExpectation):
    """Each new load is compared with the median of the 30 loads before it, by extract and source mapping."""

    name = "loads_are_as_large_as_usual"
    table = "raw.ledger"
    column_name = "rows_read"
    severity = WARNING
    singular, plural = "load", "loads"
    advice = (
        "Compare the file in archive/ with the source, and deliver again what is missing. Far fewer rows often mean an"
        " export that broke off or was filtered; far more often mean a full export instead of the changes. The setting"
        " volume_factor says how far is too far."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            with loads as (
                select extract, source, run, sum(rows_read) as row_count
                from {{batch}}
                where status = 'loaded'
                group by extract, source, run
            ),
            compared as (
                select
                    *,
                    count(*) over earlier as earlier_loads,
                    median(row_count) over earlier as usual
                from loads
                window earlier as (
                    partition by extract, source order by run rows between 30 preceding and 1 preceding
                )
            )
            select
                extract || coalesce(' by ' || source, '') || ' ' || row_count || ' rows in run ' || run
                || ', usually ' || cast(round(usual) as bigint) as what
            from compared
            where {is_new(context)}
                and earlier_loads >= {settings.audit.volume_min_loads}
                and greatest(row_count, usual) >= {settings.audit.volume_min_rows}
                and (
                    row_count * {settings.audit.volume_factor} <= usual
                    or row_count >= usual * {settings.audit.volume_factor}
                )
        """
