"""Quarantined rows are missing from the figures, so somebody should correct them."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql.quarantine import QUARANTINED_ROWS, extracts_with_share


class HardlyAnyRowsAreQuarantined(FailingRowsExpectation):
    """Of each extract, less than the share `warn_quarantined_share` of the rows is quarantined."""

    name = "hardly_any_rows_are_quarantined"
    table = "validation.quarantine"
    severity = WARNING
    singular, plural = "extract", "extracts"
    advice = (
        "Have the rows corrected at the source: `amkpi quarantine --extract EXTRACT` names file, line and reason, and"
        " with `--export FILE.xlsx` it writes the rows to be corrected. All other rows are published. A row that lacks"
        " a reference or a rate becomes valid when that arrives."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return extracts_with_share(f"quarantined >= {settings.audit.warn_quarantined_share} * of_rows")

    @classmethod
    def concerned_rows(cls, settings: Settings, context: AuditContext) -> str:
        return QUARANTINED_ROWS
