"""Whoever has a KPI in a period has all of them, each once."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.core.storage.sql import literal
from amkpi.expectations.advice import MODELS_ARE_BROKEN
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import BLOCKING, FailingRowsExpectation
from amkpi.expectations.sql.kpis import listed, names
from amkpi.expectations.sql.numbers import WHO_AND_WHEN


class EveryoneHasAllEightKpis(FailingRowsExpectation):
    """For each scope, person and period, `marts.kpi_values` has one row for every KPI of the catalogue."""

    name = "everyone_has_all_eight_kpis"
    table = "marts.kpi_values"
    column_name = "kpi"
    severity = BLOCKING
    singular, plural = "set", "sets"
    advice = MODELS_ARE_BROKEN

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        # One bit for each KPI: a count of distinct texts took twice as long.
        kpis = names()
        bits = " ".join(f"when {literal(kpi)} then {1 << bit}" for bit, kpi in enumerate(kpis))
        return f"""
            select {WHO_AND_WHEN} || ' has ' || count(*) as what
            from {{batch}}
            group by scope, staff_id, period_grain, period_start
            having count(*) <> {len(kpis)} or bit_or(case kpi {bits} else 0 end) <> {(1 << len(kpis)) - 1}
        """

    @classmethod
    def precheck(cls, settings: Settings, context: AuditContext) -> str:
        """The people of each KPI and period as three numbers, which must be the same for all KPIs of a period.

        A person who is there twice changes them, unless they are there twice in every KPI.
        """
        kpis = names()
        return f"""
            with people as (
                select
                    kpi, period_grain, period_start, count(*) as row_count, bit_xor(hash(scope, staff_id)) as hash_xor,
                    sum(cast(hash(scope, staff_id) as hugeint)) as hash_sum
                from {{batch}}
                group by kpi, period_grain, period_start
            )
            select period_grain || ' ' || period_start as what
            from people
            group by period_grain, period_start
            having count(case when kpi in ({listed(kpis)}) then 1 end) <> {len(kpis)} or count(*) <> {len(kpis)}
                or count(distinct row_count) > 1 or count(distinct hash_xor) > 1 or count(distinct hash_sum) > 1
        """
