-- Grain: measure × scope × person × period. Shown with the KPIs, never scored. A view: what has no records has
-- a row here, and is stored nowhere.
with sums as (
    select * from {{ ref('int_measure_sums').include(database=false) }}
    union all
    select * from {{ ref('int_daily_measures').include(database=false) }}
),

counted as (
    select
        catalogue.measure,
        catalogue.unit,
        catalogue.is_quotient,
        catalogue.measure = 'days_late_median' as is_median,
        people.scope,
        nullif(people.person_key, '') as staff_id,
        people.period_grain,
        people.period_start,
        people.period_end,
        sums.numerator,
        coalesce(sums.denominator, 0) as denominator
    from {{ ref('int_scope_members').include(database=false) }} as people
    cross join {{ ref('int_measure_catalogue').include(database=false) }} as catalogue
    left join sums
        on catalogue.measure_number = sums.measure_number
        and people.subject_id = sums.subject_id
        and people.period_id = sums.period_id
)

select
    measure,
    scope,
    staff_id,
    period_grain,
    period_start,
    period_end,
    case
        when is_median then numerator
        when is_quotient then coalesce(numerator, 0) / nullif(denominator, 0)
        else coalesce(numerator, 0)
    end as value,
    -- A median has no numerator; its denominator is how many projects it is of.
    case when not is_median then coalesce(numerator, 0) end as numerator,
    case when is_quotient or is_median then denominator end as denominator,
    unit,
    false as is_closed
from counted
