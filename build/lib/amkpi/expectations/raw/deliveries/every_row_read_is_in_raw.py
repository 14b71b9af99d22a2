"""The raw tables hold exactly the rows that the load ledger counted."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.ledger import RAW_ROWS


class EveryRowReadIsInRaw(FailingRowsExpectation):
    """For each delivery, the ledger and the raw tables have the same number of rows."""

    name = "every_row_read_is_in_raw"
    table = "raw.ledger"
    column_name = "rows_read"
    severity = BLOCKING
    singular, plural = "file", "files"
    advice = (
        "Run `amkpi rebuild`, which loads every delivery again from archive/. The warehouse lost rows, or somebody"
        " changed it by hand."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            with {RAW_ROWS}
            select
                coalesce(ledger.file_name, 'delivery ' || raw_rows.delivery || ', not in the ledger,')
                || ' as ' || coalesce(ledger.extract, raw_rows.extract, 'nothing')
                || ' read ' || coalesce(ledger.rows_read, 0)
                || ', in raw ' || coalesce(raw_rows.rows_in_raw, 0) as what
            from {{batch}} as ledger
            full join raw_rows on ledger.delivery = raw_rows.delivery and ledger.extract = raw_rows.extract
            where ledger.rows_read is distinct from coalesce(raw_rows.rows_in_raw, 0)
        """
