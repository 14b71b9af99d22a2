-- Grain: kpi × scope × person_key × period_grain × period_start. What the records of a period add up to, for the KPIs
-- that are sums. First by day and person, then by month, then by period: a record is read once.
with daily as (
    select
        kpi,
        staff_id,
        event_date,
        month_start,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        sum(sample_size) as sample_size
    from {{ ref('int_kpi_records') }}
    group by kpi, staff_id, event_date, month_start
),

monthly as (
    select *
    from {{ over_scopes('daily', ['kpi', 'month_start'], ['numerator', 'denominator', 'sample_size']) }} as scoped
),

dated as (
    select
        kpi,
        scope,
        person_key,
        period_grain,
        period_start,
        numerator,
        denominator,
        sample_size
    from {{ over_periods('monthly', ['kpi'], ['numerator', 'denominator', 'sample_size']) }} as periods
),

opening as (
    select
        kpi,
        period_grain,
        period_start,
        staff_id,
        event_date,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        sum(sample_size) as sample_size
    from {{ ref('int_client_records') }}
    group by kpi, period_grain, period_start, staff_id, event_date
),

clients as (
    select
        kpi,
        scope,
        person_key,
        period_grain,
        period_start,
        numerator,
        denominator,
        sample_size
    from {{ over_scopes(
        'opening', ['kpi', 'period_grain', 'period_start'], ['numerator', 'denominator', 'sample_size']
    ) }} as scoped
)

select * from dated
union all
select * from clients
