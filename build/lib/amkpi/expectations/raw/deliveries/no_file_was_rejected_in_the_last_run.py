"""A rejected file adds nothing to the figures."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql.ledger import is_new


class NoFileWasRejectedInTheLastRun(FailingRowsExpectation):
    """No file of a load run since the last audit was rejected."""

    name = "no_file_was_rejected_in_the_last_run"
    table = "raw.ledger"
    column_name = "status"
    severity = WARNING
    singular, plural = "file", "files"
    advice = (
        "Read the .reason.json next to the file in rejected/, correct the file, and put it into LANDING again. Nothing"
        " of it is in the figures."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"select distinct file_name as what from {{batch}} where status = 'rejected' and {is_new(context)}"

    @classmethod
    def concerned_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            select distinct file_name || ', ' || coalesce(reason, 'no reason kept') as what
            from {{batch}}
            where status = 'rejected' and {is_new(context)}
        """
