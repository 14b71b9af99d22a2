-- Grain: kpi_number × subject_id × period_id. Value and target of the regions and of the group.
with counted_days as (
    select * from {{ ref('int_counted_days') }}
),

targets as (
    select * from {{ line_targets('counted_days') }} as found
),

previous_periods as (
    select
        period_id,
        {{ period_id('period_grain', 'previous_start') }} as previous_id
    from {{ ref('int_periods') }}
),

values_and_targets as (
    select
        level_values.kpi_number,
        level_values.subject_id,
        level_values.period_id,
        level_values.value,
        previous.value as previous_value,
        catalogue.better = 'lower' as is_lower_better,
        targets.target,
        targets.weight
    from {{ ref('int_level_values') }} as level_values
    inner join {{ ref('int_kpi_catalogue') }} as catalogue
        on level_values.kpi_number = catalogue.kpi_number
    inner join previous_periods
        on level_values.period_id = previous_periods.period_id
    left join {{ ref('int_level_values') }} as previous
        on level_values.kpi_number = previous.kpi_number
        and level_values.subject_id = previous.subject_id
        and previous_periods.previous_id = previous.period_id
    left join targets
        on level_values.kpi_number = targets.kpi_number
        and level_values.subject_id = targets.subject_id
        and level_values.period_id = targets.period_id
)

select
    kpi_number,
    subject_id,
    period_id,
    value,
    target,
    attainment,
    weight,
    previous_value,
    status
from {{ met_targets('values_and_targets') }} as lines
