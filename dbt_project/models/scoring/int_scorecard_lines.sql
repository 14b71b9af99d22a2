-- Grain: kpi_number × subject_id × period_id. Value, target and how far the one meets the other.
with catalogue as (
    select
        kpi_number,
        better = 'lower' as is_lower_better
    from {{ ref('int_kpi_catalogue') }}
),

periods as (
    select
        period_id,
        {{ period_id('period_grain', 'previous_start') }} as previous_id
    from {{ ref('int_periods') }}
    where {{ is_affected_period('period_id') }}
),

values_and_targets as (
    select
        kpi_values.kpi_number,
        kpi_values.subject_id,
        kpi_values.period_id,
        kpi_values.value,
        previous.value as previous_value,
        catalogue.is_lower_better,
        targets.target,
        targets.weight
    from {{ ref('int_kpi_values') }} as kpi_values
    inner join catalogue
        on kpi_values.kpi_number = catalogue.kpi_number
    inner join periods
        on kpi_values.period_id = periods.period_id
    left join {{ ref('int_kpi_values') }} as previous
        on kpi_values.kpi_number = previous.kpi_number
        and kpi_values.subject_id = previous.subject_id
        and periods.previous_id = previous.period_id
    left join {{ ref('int_target_groups') }} as holders
        on kpi_values.subject_id = holders.subject_id
        and kpi_values.period_id = holders.period_id
    left join {{ ref('int_line_targets') }} as targets
        on kpi_values.kpi_number = targets.kpi_number
        and holders.target_group_id = targets.target_group_id
        and kpi_values.period_id = targets.period_id
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
