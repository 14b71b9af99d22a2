"""With a loop in the chain of managers nobody can say whose team a record counts for."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation


class NoLoopInTheChainOfManagers(FailingRowsExpectation):
    """Nobody is, through others, their own manager."""

    name = "no_loop_in_the_chain_of_managers"
    table = "intermediate.int_management_chain"
    column_name = "manager_id"
    severity = BLOCKING
    singular, plural = "person", "people"
    advice = (
        "Correct manager_id of one of these people in the HR system and deliver `staff` again. Each of them is, through"
        " others, their own manager, so nobody can say whose team a record counts for."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        # The model cuts a chain where it returns to a person. People below a loop have the loop in their chain too, so
        # only the members of the loop are named, if there are any.
        return """
            with loops as (
                select staff_id, manager_id, min(valid_from) as valid_from
                from {batch}
                where is_loop
                group by staff_id, manager_id
            ),
            members as (
                select staff_id from loops where staff_id = manager_id
            )
            select loops.staff_id || coalesce(' ' || staff.full_name, '') || ' from ' || min(loops.valid_from) as what
            from loops
            left join marts.dim_staff as staff on loops.staff_id = staff.staff_id
            where loops.staff_id in (select staff_id from members)
                or loops.manager_id not in (select staff_id from members)
            group by loops.staff_id, staff.full_name
        """
