"""The only person of an agency manages nobody: HR systems often say that they manage themselves."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation


class ACompanyOfOneHasNoManager(FailingRowsExpectation):
    """The only person of the staff extract does not have themselves as manager."""

    name = "a_company_of_one_has_no_manager"
    table = "staging.stg_staff"
    column_name = "manager_id"
    severity = WARNING
    singular, plural = "person", "people"
    advice = (
        "The only person in `staff` is their own manager there. This is read as nobody, and the figures are right."
        " Leave manager_id empty in the HR system: with a second person it is a loop, and blocks publication."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        # The macro `manager_of_staff` reads the column in the same way.
        return """
            select distinct staff_id || coalesce(' ' || full_name, '') as what
            from {batch}
            where manager_id = staff_id and (select count(distinct staff_id) from {batch}) = 1
        """
