"""Results of a client without a manager count for nobody's own KPIs."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation


class EveryActiveClientHasAManager(FailingRowsExpectation):
    """Each client that is active on the date of the build has a manager who is active account staff."""

    name = "every_active_client_has_a_manager"
    table = "intermediate.int_active_clients"
    column_name = "client_id"
    severity = WARNING
    singular, plural = "client", "clients"
    advice = (
        "Assign these clients to an account manager and deliver `client_assignments` again. Until then their results"
        " count only for the company, or for somebody who has left."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        as_of = f"date '{context.as_of}'"
        return f"""
            with managed as (
                select
                    active.client_id,
                    managers.account_manager_id as manager_id,
                    manager.role,
                    coalesce(manager.is_account_staff, false)
                    -- Without any staff delivered, nobody can be checked.
                    or not exists (select 1 from intermediate.int_staff_history) as is_account_staff
                from {{batch}} as active
                left join intermediate.int_client_managers as managers
                    on active.client_id = managers.client_id
                    and {as_of} between managers.valid_from and managers.valid_to
                left join intermediate.int_staff_history as manager
                    on managers.account_manager_id = manager.staff_id
                    and {as_of} between manager.valid_from and manager.valid_to
                where active.day = {as_of} and exists (select 1 from intermediate.int_client_managers)
            )
            select
                managed.client_id || coalesce(' ' || client.client_name, '')
                || case
                    when managed.manager_id is null then ', nobody'
                    else ', ' || managed.manager_id || coalesce(' ' || person.full_name, '')
                        || ' is no active account staff'
                end as what
            from managed
            left join marts.dim_client as client on managed.client_id = client.client_id
            left join marts.dim_staff as person on managed.manager_id = person.staff_id
            where managed.manager_id is null or not managed.is_account_staff
        """
