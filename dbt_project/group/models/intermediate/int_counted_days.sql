-- Grain: subject_id × period_id. The days of a period count from its first to its close, as for
-- the company of an agency.
with subjects as (
    select distinct
        subject_id,
        level
    from {{ ref('int_levels') }}
)

select
    subjects.subject_id,
    periods.period_id,
    subjects.level as scope,
    subjects.subject_id as person_key,
    periods.period_grain,
    periods.period_start,
    periods.period_end,
    periods.close_date,
    '' as role,
    periods.period_start as first_day,
    periods.close_date as last_day
from subjects
cross join {{ ref('int_periods') }} as periods
