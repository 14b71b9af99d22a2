-- Grain: measure_number × subject_id × period_id. The supporting measures that every build makes whole: what is not yet
-- delivered is a day later every day.
with catalogue as (
    select * from {{ ref('int_measure_catalogue') }}
)

select
    catalogue.measure_number,
    late.subject_id,
    late.period_id,
    {{ as_double('late.days_late_median') }} as numerator,
    {{ as_double('late.late_projects') }} as denominator
from {{ ref('int_days_late') }} as late
inner join catalogue
    on catalogue.measure = 'days_late_median'

union all

select
    catalogue.measure_number,
    over_budget.subject_id,
    periods.period_id,
    {{ as_double('over_budget.projects') }} as numerator,
    {{ as_double('0') }} as denominator
from {{ ref('int_open_over_budget') }} as over_budget
inner join {{ ref('int_periods') }} as periods
    on over_budget.close_date = periods.close_date
inner join catalogue
    on catalogue.measure = 'open_projects_over_budget'
