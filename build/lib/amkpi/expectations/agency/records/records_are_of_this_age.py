"""A record with a mistyped year creates thousands of empty periods that nobody looks at."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation


class RecordsAreOfThisAge(FailingRowsExpectation):
    """No record is older than `max_record_age_years`. The periods of an agency begin with its first record."""

    name = "records_are_of_this_age"
    table = "intermediate.int_kpi_records"
    column_name = "event_date"
    severity = WARNING
    singular, plural = "record", "records"
    advice = (
        "Correct the date at the source and deliver the record again: the year was most likely mistyped (0202, 1925)."
        " Until then the record counts in a period that nobody looks at, and every month since then is computed. The"
        " setting max_record_age_years says what is too old."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            select distinct source_extract || ' ' || source_id || ' of ' || event_date as what
            from {{batch}}
            where event_date < date '{context.as_of}' - interval {settings.audit.max_record_age_years} year
        """
