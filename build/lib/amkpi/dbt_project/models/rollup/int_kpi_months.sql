-- Grain: kpi_number × subject_id × month_start. What the records of a month add up to, for the KPIs that are sums of
-- dated records. First by day and person: a record is read once.
with catalogue as (
    select * from {{ ref('int_kpi_catalogue') }}
),

daily as (
    select
        catalogue.kpi_number,
        records.staff_id,
        records.event_date,
        records.month_start,
        sum(records.numerator) as numerator,
        sum(records.denominator) as denominator,
        sum(records.sample_size) as sample_size,
        sum(records.undecided) as undecided
    from {{ ref('int_kpi_records') }} as records
    inner join catalogue
        on records.kpi = catalogue.kpi
    where {{ is_affected_month('records.month_start') }}
    group by catalogue.kpi_number, records.staff_id, records.event_date, records.month_start
)

select *
from {{ over_scopes(
    'daily', ['kpi_number', 'month_start'], ['numerator', 'denominator', 'sample_size', 'undecided']
) }} as scoped
