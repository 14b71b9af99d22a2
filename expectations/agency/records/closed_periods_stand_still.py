"""Somebody may have seen a figure of a period that was over and that is different now."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql import earlier_publication
from amkpi.expectations.sql.kpis import is_private, listed, names
from amkpi.expectations.sql.numbers import TOLERANCE


class ClosedPeriodsStandStill(FailingRowsExpectation):
    """Values of periods that were over in the last publication are the same now, whatever its date.

    Periods that are closed by `amkpi close` are left out: readers see their closed rows, and what would move them is in
    the adjustments.
    """

    name = "closed_periods_stand_still"
    table = "intermediate.int_kpi_values"
    column_name = "value"
    severity = WARNING
    singular, plural = "value", "values"
    advice = (
        "Find the cause in marts.load_ledger and tell those who were shown the old figures: the last publication had"
        " other values for a period that was over. Late, corrected or deleted rows, a proposal that is decided now, a"
        " changed setting or a new version cause that; `amkpi explain KPI STAFF_ID PERIOD` lists the records. If the"
        " rows are right, the new figures are. Close a period once it is paid (`amkpi close`): then it does not change."
    )

    @classmethod
    def note(cls, context: AuditContext) -> str:
        return earlier_publication.note(context)

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        if context.published is None:
            return "select kpi_number as what from {batch} where false"
        # If the build is based on that publication, only the periods that it computed again are compared, by the tables
        # behind the mart: the views would read all periods. `materialized`, because DuckDB otherwise joined old and new
        # values in an order that did not end. Of a private KPI no numbers are shown: two means and the number of raters
        # between them reveal what the last rater said.
        return f"""
            with kept as materialized ({earlier_publication.kept_periods(context)}),
            compared_periods as materialized (
                select period_id from intermediate.int_periods
                union
                select period_id from published.{context.published_schema}.int_period_months
                except
                select period_id from kept
            ),
            closed as materialized (
                select period_grain, period_start from closing.periods
            ),
            before as materialized (
                select kpi, scope, person_key as person, period_grain, period_start, value
                from published.{context.published_schema}.int_kpi_values
                inner join published.{context.published_schema}.{context.members_table} using (subject_id, period_id)
                inner join published.{context.published_schema}.int_kpi_catalogue using (kpi_number)
                where period_id in (select period_id from compared_periods)
                    and not is_provisional
                    and (period_grain, period_start) not in (select period_grain, period_start from closed)
            ),
            now as materialized (
                select kpi, scope, person_key as person, period_grain, period_start, value
                from {{batch}}
                inner join intermediate.int_scope_members using (subject_id, period_id)
                inner join intermediate.int_kpi_catalogue using (kpi_number)
                where period_id in (
                    select period_id
                    from compared_periods
                    inner join intermediate.int_periods using (period_id)
                    where period_end <= (select max(as_of) from published.marts.publication)
                )
                    and (period_grain, period_start) not in (select period_grain, period_start from closed)
                    and exists (select 1 from before)
            ),
            compared as (
                select
                    coalesce(now.kpi, before.kpi) as kpi,
                    coalesce(now.scope, before.scope) as scope,
                    coalesce(now.person, before.person) as person,
                    coalesce(now.period_grain, before.period_grain) as period_grain,
                    coalesce(now.period_start, before.period_start) as period_start,
                    before.value as value_before,
                    now.value as value_now
                from now
                full join before
                    on now.kpi = before.kpi
                    and now.scope = before.scope
                    and now.person = before.person
                    and now.period_grain = before.period_grain
                    and now.period_start = before.period_start
            )
            select
                kpi || ' ' || scope || case when person = '' then '' else ' ' || person end
                || ' ' || period_grain || ' ' || period_start
                || case
                    when kpi in ({listed(names(is_private))}) then ''
                    else ', ' || coalesce(cast(round(value_before, 6) as varchar), 'nothing')
                        || ' → ' || coalesce(cast(round(value_now, 6) as varchar), 'nothing')
                end as what
            from compared
            where (value_before is null) <> (value_now is null)
                or abs(value_before - value_now) > {TOLERANCE} * greatest(abs(value_before), abs(value_now))
        """
