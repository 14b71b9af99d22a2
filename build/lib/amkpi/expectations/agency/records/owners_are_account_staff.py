"""Credit for a record should go to account staff."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation


class OwnersAreAccountStaff(FailingRowsExpectation):
    """Who has the credit for a recent record was account staff on its date or `owner_grace_days` before it.

    Not checked: cancelled contracts, which count for whoever signed them, however long ago; and peer reviews, which are
    private.
    """

    name = "owners_are_account_staff"
    table = "intermediate.int_kpi_records"
    column_name = "staff_id"
    severity = WARNING
    singular, plural = "record", "records"
    advice = (
        "Correct owner_id at the source, or the person's role and valid_from in the HR system. These people have the"
        " credit, but were not account staff on that date, nor in the owner_grace_days before it."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            with owned as (
                select source_extract, source_id, client_id, staff_id, min(event_date) as event_date
                from {{batch}}
                where staff_id is not null and sample_size > 0
                group by source_extract, source_id, client_id, staff_id
            ),
            failing as (
                select owned.*
                from owned
                left join intermediate.int_staff_history as account_staff
                    on owned.staff_id = account_staff.staff_id
                    and account_staff.is_account_staff
                    and owned.event_date >= account_staff.valid_from
                    and owned.event_date - {settings.audit.owner_grace_days} <= account_staff.valid_to
                where owned.event_date > (date '{context.as_of}' - {settings.audit.days})
                    and account_staff.staff_id is null
                    and exists (select 1 from intermediate.int_staff_history)
            )
            select distinct
                failing.source_extract || ' ' || failing.source_id || ' of ' || failing.event_date
                || ', ' || failing.staff_id || coalesce(' ' || person.full_name, '') || ' is '
                || coalesce(
                    that_day.role || case when that_day.is_active then '' else ', inactive' end, 'not yet on the staff'
                ) as what
            from failing
            left join marts.dim_staff as person on failing.staff_id = person.staff_id
            left join intermediate.int_staff_history as that_day
                on failing.staff_id = that_day.staff_id
                and failing.event_date between that_day.valid_from and that_day.valid_to
        """
