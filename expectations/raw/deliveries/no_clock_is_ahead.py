"""Rows with a moment of change in the future show that the clock of the exporting system is wrong."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql.ledger import is_new
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.contracts.native_line import native_line

# Of a private row not even updated_at is shown.
_ROWS_FROM_FUTURE = "\nunion all\n".join(
    f"""
    select
        parsed_row._delivery as delivery,
        {native_line("parsed_row._line")} as line,
        {"null" if extract.private_rows else "raw_row.updated_at"} as updated_at
    from parsed.{name} as parsed_row
    inner join raw.{name} as raw_row
        on parsed_row._delivery = raw_row._delivery and parsed_row._line = raw_row._line
    where parsed_row._from_future
    """
    for name, extract in EXTRACTS.items()
)


class NoClockIsAhead(FailingRowsExpectation):
    """No row of a load run since the last audit has an `updated_at` of more than a day after its load."""

    name = "no_clock_is_ahead"
    table = "raw.ledger"
    column_name = "updated_at"
    severity = WARNING
    singular, plural = "file", "files"
    advice = (
        "Have the clock or the time zone of the exporting system corrected: these rows claim to be changed more than a"
        " day after they were loaded. The moment of the load is used instead."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            select
                ledger.file_name || ' as ' || ledger.extract || ' (' || count(*)
                    || case when count(*) = 1 then ' row)' else ' rows)' end as what,
                ledger.delivery
            from {{batch}} as ledger
            inner join ({_ROWS_FROM_FUTURE}) as ahead on ledger.delivery = ahead.delivery
            where {is_new(context)}
            group by ledger.delivery, ledger.file_name, ledger.extract
        """

    @classmethod
    def concerned_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            select
                ledger.file_name || ' line ' || ahead.line || ' as ' || ledger.extract
                || coalesce(', updated_at ' || ahead.updated_at, '') as what
            from {{batch}} as ledger
            inner join found on ledger.delivery = found.delivery
            inner join ({_ROWS_FROM_FUTURE}) as ahead on ledger.delivery = ahead.delivery
        """
