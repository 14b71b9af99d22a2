"""SQL on numbers and rows of the marts that several expectations share."""

from __future__ import annotations

# Relative. The sum of doubles depends on the order of adding, by far less than this.
TOLERANCE = 1e-9
# The row of a KPI value or a scorecard as text.
WHO_AND_WHEN = "scope || coalesce(' ' || staff_id, '') || ' ' || period_grain || ' ' || period_start"

# The columns that name a row of `marts.scorecards`.
SCORECARD_KEYS = ("scope", "staff_id", "period_grain", "period_start")


def differ(one: str, other: str, scale: str) -> str:
    """SQL that is true if two numbers differ by more than the tolerance times `scale`, or one is not a number."""
    return (
        f"not coalesce(isfinite({one}) and isfinite({other}) and abs({one} - {other}) <= {TOLERANCE} * {scale}, false)"
    )


def values_outside(kpis: str, least: float, greatest: float) -> str:
    """SQL for the rows of `marts.kpi_values` of these KPIs whose value is outside of the bounds.

    kpis: names for `in (…)`. A query, because the expectation that Great Expectations ships for bounds counts all rows
    of the view.
    """
    return f"""
        select kpi || ' ' || {WHO_AND_WHEN} || ': ' || value as what
        from {{batch}}
        where kpi in ({kpis}) and not value between {least} and {greatest}
    """
