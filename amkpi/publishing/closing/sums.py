"""The sums behind the values of closed periods, as exact decimals."""

from __future__ import annotations

import duckdb

from amkpi.core.catalogue import kpis
from amkpi.core.errors import AmkpiError
from amkpi.core.storage.sql import literal

# The KPI whose records nobody may see; empty if there is none. It has no adjustments. The catalogue allows only one.
PRIVATE = next((kpi.name for kpi in kpis() if kpi.private), "")
COLUMNS = "kpi, scope, staff_id, period_grain, period_start, numerator, denominator, sample_size"


def of_publication(database: str, schema: str, periods: str) -> str:
    """SQL for the sums of a publication's periods, from its records; `COLUMNS` in their order.

    database: as which the publication is attached. schema: of its internal tables. periods: a relation with
    period_grain and period_start. The marts have these sums as doubles, which is too coarse for a small difference of
    two large ones.
    """
    at = f"{database}.{schema}"
    return f"""
        with records as (
            select records.kpi, records.staff_id, records.event_date, months.period_grain, months.period_start,
                records.numerator, records.denominator, records.sample_size
            from {at}.int_kpi_records as records
            inner join {at}.int_period_months as months using (month_start)
            semi join {periods} as wanted using (period_grain, period_start)
            union all
            select kpi, staff_id, event_date, period_grain, period_start, numerator, denominator, sample_size
            from {at}.int_client_records
            semi join {periods} as wanted using (period_grain, period_start)
        ),
        daily as (
            select kpi, staff_id, event_date, period_grain, period_start, sum(numerator) as numerator,
                sum(denominator) as denominator, sum(sample_size) as sample_size
            from records
            group by all
        ),
        counted as (
            select 'own' as scope, * exclude (event_date) from daily where staff_id is not null
            union all
            select 'team', * exclude (event_date) from daily where staff_id is not null
            union all
            select 'team', daily.kpi, chain.manager_id, daily.period_grain, daily.period_start, daily.numerator,
                daily.denominator, daily.sample_size
            from daily
            inner join {at}.int_management_chain as chain
                on daily.staff_id = chain.staff_id and daily.event_date between chain.valid_from and chain.valid_to
            where not chain.is_loop
            union all
            select 'company', kpi, null, period_grain, period_start, numerator, denominator, sample_size from daily
        ),
        sums as (
            select scope, kpi, staff_id, period_grain, period_start, sum(numerator) as numerator,
                sum(denominator) as denominator, sum(sample_size) as sample_size
            from counted
            group by all
        )
        select shown.kpi, shown.scope, shown.staff_id, shown.period_grain, shown.period_start,
            {_exact("sums")}
        from (
            select kpi, scope, staff_id, period_grain, period_start
            from {database}.marts.kpi_values
            semi join {periods} as wanted using (period_grain, period_start)
            where kpi <> {literal(PRIVATE)}
        ) as shown
        left join sums
            on shown.kpi = sums.kpi and shown.scope = sums.scope
            and shown.staff_id is not distinct from sums.staff_id
            and shown.period_grain = sums.period_grain and shown.period_start = sums.period_start
        """


def of_build(periods: str, database: str = "") -> str:
    """SQL for the sums of the periods by a build; `COLUMNS` in their order.

    database: as which its warehouse is attached, with a dot; empty for the warehouse that is open.
    """
    return f"""
        select catalogue.kpi, people.scope, nullif(people.person_key, '') as staff_id, people.period_grain,
            people.period_start, {_exact("sums")}
        from {database}intermediate.int_scope_members as people
        semi join {periods} as wanted using (period_grain, period_start)
        cross join {database}intermediate.int_kpi_catalogue as catalogue
        left join {database}intermediate.int_kpi_sums as sums
            on catalogue.kpi_number = sums.kpi_number and people.subject_id = sums.subject_id
            and people.period_id = sums.period_id
        where catalogue.kpi <> {literal(PRIVATE)}
        """


def _exact(sums: str) -> str:
    return (
        f"coalesce({sums}.numerator, 0)::decimal(38, 12) as numerator,"
        f" coalesce({sums}.denominator, 0)::decimal(38, 12) as denominator,"
        f" coalesce({sums}.sample_size, 0)::bigint as sample_size"
    )


def check_against_values(connection: duckdb.DuckDBPyConnection, sums: str, values: str) -> None:
    """Raise AmkpiError where a sum is not the figure that kpi_values shows: what was published is what is closed."""
    wrong = connection.execute(
        f"""
        select sums.kpi, sums.scope, sums.staff_id, sums.period_grain, sums.period_start
        from {sums} as sums
        inner join {values} as shown
            on sums.kpi = shown.kpi and sums.scope = shown.scope and sums.staff_id is not distinct from shown.staff_id
            and sums.period_grain = shown.period_grain and sums.period_start = shown.period_start
        where abs(sums.numerator::double - coalesce(shown.numerator, 0)) > 1e-9 * abs(coalesce(shown.numerator, 0))
            or abs(sums.denominator::double - coalesce(shown.denominator, 0))
                > 1e-9 * abs(coalesce(shown.denominator, 0))
            or sums.sample_size <> shown.sample_size
        order by all limit 1
        """
    ).fetchall()
    if wrong:
        what = " ".join(str(each) for each in wrong[0] if each is not None)
        raise AmkpiError(f"the records of the current publication do not add up to {what}: run `amkpi run`, and close")
