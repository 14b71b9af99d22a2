-- Grain: kpi_number × target_group_id × period_id, where a counted day has a target. The mean of the targets in force,
-- or for a KPI whose target grows with the days, the sum of each day's share; that needs a target on each counted day.
with target_groups as (
    select distinct
        target_group_id,
        period_id
    from {{ ref('int_target_groups') }}
),

counted_days as (
    select counted.*
    from {{ ref('int_counted_days') }} as counted
    inner join target_groups
        on counted.subject_id = target_groups.target_group_id
        and counted.period_id = target_groups.period_id
),

totals as (
    select
        subject_id,
        period_id,
        sum({{ days_from_to('first_day', 'last_day') }}) as days
    from counted_days
    group by subject_id, period_id
),

in_force as (
    select
        *,
        {{ days_from_to('first_day', 'last_day') }} as days
    from {{ targets_in_force('counted_days') }} as found
    -- A target that is not above 0 gives the day none.
    where target > 0
),

-- Days of one target in one month or period first, so that a whole month counts exactly its target.
targets as (
    select
        kpi_number,
        subject_id,
        period_id,
        unit_days,
        target,
        sum(days) as days
    from in_force
    group by kpi_number, subject_id, period_id, unit_start, unit_days, target
),

weights as (
    select
        kpi_number,
        subject_id,
        period_id,
        weight,
        sum(days) as days
    from in_force
    group by kpi_number, subject_id, period_id, weight
),

summed_targets as (
    select
        kpi_number,
        subject_id,
        period_id,
        max(unit_days) is not null as is_growing,
        sum(days) as days,
        min(target) as lowest_target,
        max(target) as highest_target,
        {{ sum_in_order('target * days') }} as target_days,
        {{ sum_in_order('target * (' ~ as_double('days') ~ ' / nullif(unit_days, 0))') }} as shares
    from targets
    group by kpi_number, subject_id, period_id
),

summed_weights as (
    select
        kpi_number,
        subject_id,
        period_id,
        min(weight) as lowest_weight,
        max(weight) as highest_weight,
        {{ sum_in_order('weight * days') }} as weight_days
    from weights
    group by kpi_number, subject_id, period_id
)

select
    summed_targets.kpi_number,
    summed_targets.subject_id as target_group_id,
    summed_targets.period_id,
    case
        when summed_targets.is_growing then summed_targets.shares
        -- What is the same on all days is that to the last bit.
        when summed_targets.lowest_target = summed_targets.highest_target then summed_targets.lowest_target
        else summed_targets.target_days / nullif(summed_targets.days, 0)
    end as target,
    case
        when summed_targets.days = totals.days and summed_weights.lowest_weight = summed_weights.highest_weight
            then summed_weights.lowest_weight
        else summed_weights.weight_days / nullif(totals.days, 0)
    end as weight
from summed_targets
inner join summed_weights
    on summed_targets.kpi_number = summed_weights.kpi_number
    and summed_targets.subject_id = summed_weights.subject_id
    and summed_targets.period_id = summed_weights.period_id
inner join totals
    on summed_targets.subject_id = totals.subject_id
    and summed_targets.period_id = totals.period_id
where not summed_targets.is_growing or summed_targets.days = totals.days
