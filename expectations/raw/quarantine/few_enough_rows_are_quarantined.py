"""Too many quarantined rows of one extract block the publication."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.quarantine import QUARANTINED_ROWS, extracts_with_share


class FewEnoughRowsAreQuarantined(FailingRowsExpectation):
    """Of each extract with `min_rows_for_share` rows, at most the share `max_quarantined_share` is quarantined."""

    name = "few_enough_rows_are_quarantined"
    table = "validation.quarantine"
    severity = BLOCKING
    singular, plural = "extract", "extracts"
    advice = (
        "Find the most frequent reason with `amkpi quarantine --extract EXTRACT` and have the extract delivered again,"
        " or raise max_quarantined_share if the rows are rightly quarantined. Most often there is one cause: a"
        " reference that was not delivered, or an export with a changed format. With `--export FILE.xlsx` the command"
        " writes the rows to be corrected."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        limits = settings.audit
        return extracts_with_share(
            f"quarantined > {limits.max_quarantined_share} * of_rows and of_rows >= {limits.min_rows_for_share}"
        )

    @classmethod
    def concerned_rows(cls, settings: Settings, context: AuditContext) -> str:
        return QUARANTINED_ROWS
