"""An extract that is missing from a delivered family leaves gaps in its KPIs."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql.ledger import ARRIVALS


class EveryExtractOfADeliveredFamilyWasDelivered(FailingRowsExpectation):
    """If one extract of a family was loaded, all others of the family were loaded too."""

    name = "every_extract_of_a_delivered_family_was_delivered"
    table = "raw.ledger"
    column_name = "extract"
    severity = WARNING
    singular, plural = "extract", "extracts"
    advice = (
        "Set up the export of this extract, or a source mapping for it. Until then what depends on it has no data, and"
        " references to it are not checked."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"""
            {ARRIVALS}
            select extract as what
            from arrivals
            where not has_arrived and family in (select family from arrivals where has_arrived)
        """
