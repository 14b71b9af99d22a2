"""A family of extracts without any delivery leaves its KPIs without data."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql.ledger import ARRIVALS


class EveryFamilyWasDelivered(FailingRowsExpectation):
    """Of each family, at least one extract was loaded at some time."""

    name = "every_family_was_delivered"
    table = "raw.ledger"
    column_name = "extract"
    severity = WARNING
    singular, plural = "family", "families"
    advice = (
        "Set up the export of this family, or a source mapping for it. Until then its KPIs have no data; an agency that"
        " starts with a part of the extracts can leave it so."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return f"{ARRIVALS} select family as what from arrivals group by family having not bool_or(has_arrived)"
