"""Each closed row is there once."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation

_KEYS = {
    "kpi_values": ("kpi", "scope", "staff_id", "period_grain", "period_start"),
    "scorecards": ("scope", "staff_id", "period_grain", "period_start"),
    "scorecard_lines": ("scope", "staff_id", "period_grain", "period_start", "kpi"),
    "supporting_measures": ("measure", "scope", "staff_id", "period_grain", "period_start"),
}


class ClosedRowsHaveAKey(FailingRowsExpectation):
    """No two rows of the closed marts have the same key, and each is of a period that `closings` has."""

    name = "closed_rows_have_a_key"
    table = "marts.closings"
    severity = BLOCKING
    singular, plural = "key", "keys"
    advice = "Run `amkpi close --verify`, then `amkpi run`: the closed rows come from the files in HOME/closed/."

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return " union all ".join(
            f"""
            select '{mart} ' || concat_ws(' ', {", ".join(key)}) as what
            from closing.{mart}
            group by {", ".join(key)}
            having count(*) > 1
                or (period_grain, period_start) not in
                    (select (period_grain, period_start) from {{batch}} where reopened_at is null)
            """
            for mart, key in _KEYS.items()
        )
