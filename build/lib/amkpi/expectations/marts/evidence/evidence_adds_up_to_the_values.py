"""The published records of a person add up to the person's values."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.kpis import counts_opening_clients, is_additive, is_sum, listed, names
from amkpi.expectations.sql.numbers import differ

# A factor between 1 and 2 for each person. The precheck compares weighted sums over all people of a KPI and period: a
# number that is missing, or that another person has, changes the sum.
_WEIGHT = "(1 + hash(staff_id) / 18446744073709551616.0)"


class EvidenceAddsUpToTheValues(FailingRowsExpectation):
    """For each KPI, person and period, numerators and denominators of the evidence add up to those of the value."""

    name = "evidence_adds_up_to_the_values"
    table = "marts.kpi_evidence"
    column_name = "numerator"
    severity = BLOCKING
    singular, plural = "value", "values"
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        additive = names(is_additive)
        not_additive = names(lambda kpi: not is_additive(kpi))
        # The tolerance is relative to the sum of the magnitudes: a contract and its cancellation add up to almost zero.
        return f"""
            with evidence as (
                select
                    kpi, staff_id, period_grain, period_start,
                    coalesce(sum(numerator), 0) as numerator,
                    coalesce(sum(denominator), 0) as denominator,
                    coalesce(sum(abs(numerator)), 0) as numerator_scale,
                    coalesce(sum(abs(denominator)), 0) as denominator_scale
                from {{batch}}
                where kpi not in ({listed(not_additive)}) and staff_id is not null
                group by kpi, staff_id, period_grain, period_start
            ),
            own as (
                select
                    kpi, staff_id, period_grain, period_start, numerator,
                    case when kpi in ({listed(names(is_sum))}) then coalesce(denominator, 0) else denominator end
                        as denominator
                from marts.kpi_values
                where kpi in ({listed(additive)}) and scope = 'own'
            ),
            compared as (
                select
                    coalesce(own.kpi, evidence.kpi)
                    || ' ' || coalesce(own.staff_id, evidence.staff_id)
                    || ' ' || coalesce(own.period_grain, evidence.period_grain)
                    || ' ' || coalesce(own.period_start, evidence.period_start) as place,
                    own.kpi is not null as is_shown,
                    own.numerator,
                    own.denominator,
                    coalesce(evidence.numerator, 0) as evident_numerator,
                    coalesce(evidence.denominator, 0) as evident_denominator,
                    coalesce(evidence.numerator_scale, 0) as numerator_scale,
                    coalesce(evidence.denominator_scale, 0) as denominator_scale
                from own
                full join evidence
                    on own.kpi = evidence.kpi
                    and own.staff_id = evidence.staff_id
                    and own.period_grain = evidence.period_grain
                    and own.period_start = evidence.period_start
            )
            select
                place
                || case when is_shown then ' is ' || coalesce(cast(numerator as varchar), 'nothing')
                    || '/' || coalesce(cast(denominator as varchar), 'nothing') else ' is missing' end
                || ', records give ' || evident_numerator || '/' || evident_denominator as what
            from compared
            where {differ("numerator", "evident_numerator", "numerator_scale")}
                or {differ("denominator", "evident_denominator", "denominator_scale")}
        """

    @classmethod
    def precheck(cls, settings: Settings, context: AuditContext) -> str:
        """The same comparison by KPI and period, without a sum for each person: a sixth of the time.

        A dated record counts in each period that contains its month, so those records are added up by month first,
        which gives fifteen times fewer rows. The limit is ten times the rounding error of such sums.
        """
        opening = names(lambda kpi: is_additive(kpi) and counts_opening_clients(kpi))
        dated = names(lambda kpi: is_additive(kpi) and not counts_opening_clients(kpi))
        return f"""
            with evidence as (
                select
                    kpi, period_grain, period_start,
                    fsum({_WEIGHT} * numerator) as numerator,
                    coalesce(fsum({_WEIGHT} * denominator), 0) as denominator,
                    fsum({_WEIGHT} * abs(numerator)) as numerator_scale
                from {{batch}}
                where staff_id is not null
                    and (kpi in ({listed(opening)}) or (kpi in ({listed(dated)}) and period_grain = 'month'))
                group by kpi, period_grain, period_start
            ),
            evident as (
                select
                    evidence.kpi, months.period_grain, months.period_start,
                    sum(evidence.numerator) as numerator,
                    sum(evidence.denominator) as denominator,
                    sum(evidence.numerator_scale) as numerator_scale
                from evidence
                inner join intermediate.int_period_months as months on evidence.period_start = months.month_start
                where evidence.kpi in ({listed(dated)})
                group by evidence.kpi, months.period_grain, months.period_start

                union all

                select kpi, period_grain, period_start, numerator, denominator, numerator_scale
                from evidence
                where kpi in ({listed(opening)})
            ),
            own as (
                select
                    kpi, period_grain, period_start,
                    fsum({_WEIGHT} * numerator) as numerator,
                    coalesce(fsum({_WEIGHT} * denominator), 0) as denominator,
                    bool_and(
                        coalesce(isfinite(numerator), false)
                        and (kpi in ({listed(names(is_sum))}) or denominator is not null)
                    ) as is_complete
                from marts.kpi_values
                where kpi in ({listed(names(is_additive))}) and scope = 'own'
                group by kpi, period_grain, period_start
            )
            select 'a sum' as what
            from own
            full join evident
                on own.kpi = evident.kpi
                and own.period_grain = evident.period_grain
                and own.period_start = evident.period_start
            where not coalesce(own.is_complete, false)
                or not abs(own.numerator - coalesce(evident.numerator, 0))
                    <= 1e-14 * coalesce(evident.numerator_scale, 0)
                or not abs(own.denominator - coalesce(evident.denominator, 0))
                    <= 1e-14 * coalesce(evident.denominator, 0)
        """
