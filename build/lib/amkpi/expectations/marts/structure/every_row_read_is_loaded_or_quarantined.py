"""The published load ledger accounts for every row."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation


class EveryRowReadIsLoadedOrQuarantined(FailingRowsExpectation):
    """For each delivery, the rows read are the rows loaded plus the rows quarantined."""

    name = "every_row_read_is_loaded_or_quarantined"
    table = "marts.load_ledger"
    column_name = "rows_loaded"
    severity = BLOCKING
    singular, plural = "file", "files"
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return """
            select file_name || ' as ' || coalesce(extract, 'nothing') || ' read ' || rows_read
                || ', loaded ' || rows_loaded || ', quarantined ' || rows_quarantined as what
            from {batch}
            where rows_read is distinct from rows_loaded + rows_quarantined
                or least(rows_read, rows_loaded, rows_quarantined) < 0
                or (status <> 'loaded' and rows_read <> 0)
        """
