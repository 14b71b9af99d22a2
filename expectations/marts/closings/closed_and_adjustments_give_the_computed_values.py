"""What was closed and what was learned since add up to what is computed today."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.kpis import is_private, listed, names
from amkpi.expectations.sql.numbers import WHO_AND_WHEN, differ

_KEY = "kpi, scope, staff_id, period_grain, period_start"


class ClosedAndAdjustmentsGiveTheComputedValues(FailingRowsExpectation):
    """For every row of a closed period: closed + all adjustments = computed; numerator, denominator and sample size.

    The private KPI has no adjustments.
    """

    name = "closed_and_adjustments_give_the_computed_values"
    table = "marts.kpi_values"
    severity = BLOCKING
    singular, plural = "value", "values"
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        private = listed(names(is_private))
        figures = ("numerator", "denominator", "sample_size")
        known = ", ".join(f"sum(coalesce({name}, 0)) as {name}" for name in figures)
        differing = " or ".join(
            differ(f"known_{name}", f"computed_{name}", f"greatest(abs(known_{name}), abs(computed_{name}))")
            for name in figures
        )
        sides = ", ".join(
            f"coalesce(cast({side}.{name} as double), 0) as {side}_{name}"
            for side in ("known", "computed")
            for name in figures
        )
        keys = ", ".join(f"coalesce(known.{name}, computed.{name}) as {name}" for name in _KEY.split(", "))
        same = " and ".join(f"known.{name} is not distinct from computed.{name}" for name in _KEY.split(", "))
        return f"""
            with known as (
                select {_KEY}, {known}
                from (
                    select {_KEY}, numerator, denominator, sample_size from closing.kpi_values
                    where kpi not in ({private})
                    union all
                    select {_KEY}, cast(numerator as double), cast(denominator as double), sample_size
                    from marts.adjustments
                )
                group by {_KEY}
            ),
            computed as (
                select {_KEY}, numerator, denominator, sample_size
                from {{batch}}
                where kpi not in ({private})
                    and (period_grain, period_start) in (select (period_grain, period_start) from closing.periods)
            ),
            compared as (
                select {keys}, {sides} from known full join computed on {same}
            )
            select
                kpi || ' ' || {WHO_AND_WHEN} || ' gives ' || known_numerator || '/' || known_denominator
                || ', computed ' || computed_numerator || '/' || computed_denominator as what
            from compared
            where {differing}
        """
