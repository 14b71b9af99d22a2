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
),

met as (
    select
        *,
        case
            when value is null or target is null then null
            when is_lower_better then {{ round_to_even('2 - value / nullif(target, 0)', 9) }}
            else {{ round_to_even('value / nullif(target, 0)', 9) }}
        end as raw_attainment
    from values_and_targets
),

final as (
    select
        kpi_number,
        subject_id,
        period_id,
        value,
        target,
        case
            when raw_attainment is null then null
            when raw_attainment < 0 or raw_attainment < {{ var('attainment_floor') }} then 0
            else {{ least_of('raw_attainment', as_double(var('attainment_cap'))) }}
        end as attainment,
        weight,
        previous_value
    from met
)

select
    *,
    case
        when value is null then 'no_data'
        when attainment is null then 'no_target'
        when attainment >= 1 then 'on_target'
        when attainment >= {{ as_double('0.9') }} then 'at_risk'
        else 'off_target'
    end as status
from final
