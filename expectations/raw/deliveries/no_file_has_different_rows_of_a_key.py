"""Different rows of one key in one file: the last line counts, and the others are lost."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql.ledger import is_new


class NoFileHasDifferentRowsOfAKey(FailingRowsExpectation):
    """No file of a load run since the last audit has different rows of one key, of which only the line decides."""

    name = "no_file_has_different_rows_of_a_key"
    table = "raw.ledger"
    column_name = "keys_undecided"
    severity = WARNING
    singular, plural = "file", "files"
    advice = (
        "Have the export give each row its own key, or updated_at where the rows are versions of one record. Of a"
        " native file, the mapping can say which row counts, or that amounts are added: duplicates. Until then the last"
        " line counts, and the other rows are lost."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            select
                file_name || ' as ' || extract || ' (' || keys_undecided
                    || case when keys_undecided = 1 then ' key)' else ' keys)' end as what,
                delivery
            from {{batch}}
            where keys_undecided > 0 and status = 'loaded' and {is_new(context)}
        """

    @classmethod
    def concerned_rows(cls, settings: Settings, context: AuditContext) -> str:
        return """
            select ledger.file_name || ' as ' || ledger.extract || ': ' || coalesce(ledger.notes, '') as what
            from {batch} as ledger
            inner join found on ledger.delivery = found.delivery
        """
