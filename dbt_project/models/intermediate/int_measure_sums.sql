-- Grain: measure_number × subject_id × period_id, where there are records. What the records of a period add up to, for
-- the supporting measures that are sums; the mart adds the rows of those without records, which nobody needs to store.
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
    where {{ month_to_be_made('records.month_start') }}
    group by catalogue.measure_number, records.staff_id, records.event_date, records.month_start
),

monthly as (
    select *
    from {{ over_scopes('daily', ['measure_number', 'month_start'], ['numerator', 'denominator']) }} as scoped
)

select
    measure_number,
    subject_id,
    period_id,
    {{ as_double('numerator') }} as numerator,
    {{ as_double('denominator') }} as denominator
from {{ over_periods('monthly', ['measure_number'], ['numerator', 'denominator']) }} as periods
