-- Grain: kpi_number × subject_id × period_id. What the records of a period add up to, for the KPIs that are
-- sums: of the months of a period, and of its own opening clients.
with catalogue as (
    select * from {{ ref('int_kpi_catalogue') }}
),

dated as (
    select
        kpi_number,
        subject_id,
        period_id,
        numerator,
        denominator,
        sample_size,
        undecided
    from {{ roll_up_periods(
        ref('int_kpi_months'), ['kpi_number'], ['numerator', 'denominator', 'sample_size', 'undecided']
    ) }} as periods
),

opening as (
    select
        catalogue.kpi_number,
        periods.period_id,
        records.staff_id,
        records.event_date,
        sum(records.numerator) as numerator,
        sum(records.denominator) as denominator,
        sum(records.sample_size) as sample_size
    from {{ ref('int_client_records') }} as records
    inner join catalogue
        on records.kpi = catalogue.kpi
    inner join {{ ref('int_periods') }} as periods
        on records.period_grain = periods.period_grain
        and records.period_start = periods.period_start
    where {{ is_affected_period('periods.period_id') }}
    group by catalogue.kpi_number, periods.period_id, records.staff_id, records.event_date
),

clients as (
    select
        kpi_number,
        subject_id,
        period_id,
        numerator,
        denominator,
        sample_size,
        -- Whether a client is there is always decided.
        0 as undecided
    from {{ over_scopes(
        'opening', ['kpi_number', 'period_id'], ['numerator', 'denominator', 'sample_size']
    ) }} as scoped
)

select * from dated
union all
select * from clients
