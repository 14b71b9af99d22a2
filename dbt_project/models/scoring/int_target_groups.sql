-- Grain: subject_id × period_id. Who shares their targets in a period: those who have some of their own stand alone,
-- the others are with everyone of their scope whose counted days and roles are the same; most have one role all along.
-- `target_group_id` is the lowest subject_id of the group. Targets are looked up once a group, not once a person. Of
-- the periods that are made anew alone: the lines of the others stand.
with with_own as (
    select distinct
        scope,
        staff_id
    from {{ ref('int_targets') }}
    where staff_id is not null
),

counted as (
    select
        *,
        first_day = period_start and last_day = close_date as is_whole
    from {{ ref('int_counted_days') }}
    where period_id in (select changed.period_id from {{ ref('int_changed_periods') }} as changed)
),

patterns as (
    select
        subject_id,
        period_id,
        scope,
        person_key,
        role as pattern
    from counted
    where is_whole

    union all

    -- Begins with a date, which no role does.
    select
        subject_id,
        period_id,
        scope,
        person_key,
        {{ joined_in_order(
            "cast(first_day as " ~ dbt.type_string() ~ ") || ' ' || cast(last_day as " ~ dbt.type_string() ~ ") || ' ' || role",
            ", ",
            "first_day"
        ) }} as pattern
    from counted
    where not is_whole
    group by subject_id, period_id, scope, person_key
)

select
    patterns.subject_id,
    patterns.period_id,
    min(patterns.subject_id) over (
        partition by patterns.period_id, patterns.scope, patterns.pattern, with_own.staff_id
    ) as target_group_id
from patterns
left join with_own
    on patterns.scope = with_own.scope
    and patterns.person_key = with_own.staff_id
