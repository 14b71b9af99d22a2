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
)

select
    kpi_number,
    subject_id as target_group_id,
    period_id,
    target,
    weight
from {{ line_targets('counted_days') }} as targets
