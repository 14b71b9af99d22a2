-- Grain: subject_id × period_id. The days of a period count from its first to its close, as for
-- the company of an agency. In a running period some agencies have days after the date of the group, and their records
-- count: the target covers the days up to the newest of these.
with subjects as (
    select
        levels.subject_id,
        levels.level,
        max(agencies.as_of) as newest_day
    from {{ ref('int_levels') }} as levels
    inner join {{ source('sources', 'agencies') }} as agencies
        on levels.agency = agencies.agency
    group by levels.subject_id, levels.level
),

closed as (
    select
        subjects.subject_id,
        subjects.level,
        periods.period_id,
        periods.period_grain,
        periods.period_start,
        periods.period_end,
        {{ greatest_of(
            'periods.close_date',
            least_of('periods.period_end', 'coalesce(subjects.newest_day, periods.close_date)')
        ) }} as close_date
    from subjects
    cross join {{ ref('int_periods') }} as periods
)

select
    subject_id,
    period_id,
    level as scope,
    subject_id as person_key,
    period_grain,
    period_start,
    period_end,
    close_date,
    '' as role,
    period_start as first_day,
    close_date as last_day
from closed
