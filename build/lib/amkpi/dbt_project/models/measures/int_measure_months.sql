-- Grain: measure_number × subject_id × month_start, where there are records. What the records of a month add up to, for
-- the supporting measures that are sums.
with catalogue as (
    select * from {{ ref('int_measure_catalogue') }}
),

daily as (
    select
        catalogue.measure_number,
        records.staff_id,
        records.event_date,
        records.month_start,
        sum(records.numerator) as numerator,
        sum(records.denominator) as denominator
    from {{ ref('int_measure_records') }} as records
    inner join catalogue
        on records.measure = catalogue.measure
    where {{ is_affected_month('records.month_start') }}
    group by catalogue.measure_number, records.staff_id, records.event_date, records.month_start
)

select *
from {{ over_scopes('daily', ['measure_number', 'month_start'], ['numerator', 'denominator']) }} as scoped
