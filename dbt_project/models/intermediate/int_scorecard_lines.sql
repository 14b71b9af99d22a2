-- Grain: kpi × scope × person_key × period_grain × period_start. Value, target and how far the one meets the other.
with values_and_targets as (
    select
        kpi_values.*,
        previous.value as previous_value,
        targets.target,
        targets.weight
    from {{ ref('int_kpi_values') }} as kpi_values
    left join {{ ref('int_kpi_values') }} as previous
        on kpi_values.kpi = previous.kpi
        and kpi_values.scope = previous.scope
        and kpi_values.person_key = previous.person_key
        and kpi_values.period_grain = previous.period_grain
        and kpi_values.previous_start = previous.period_start
    left join {{ ref('int_line_targets') }} as targets
        on kpi_values.kpi = targets.kpi
        and kpi_values.scope = targets.scope
        and kpi_values.person_key = targets.person_key
        and kpi_values.period_grain = targets.period_grain
        and kpi_values.period_start = targets.period_start
),

met as (
    select
        *,
        case
            when value is null or target is null or target <= 0 then null
            when better = 'lower' then {{ round_to_even('2 - value / nullif(target, 0)', 9) }}
            else {{ round_to_even('value / nullif(target, 0)', 9) }}
        end as raw_attainment
    from values_and_targets
),

final as (
    select
        kpi,
        scope,
        person_key,
        period_grain,
        period_start,
        period_end,
        is_provisional,
        value,
        target,
        case
            when raw_attainment is null then null
            when raw_attainment < 0 or raw_attainment < {{ var('attainment_floor') }} then 0
            else least(raw_attainment, {{ as_double(var('attainment_cap')) }})
        end as attainment,
        weight,
        previous_value,
        value - previous_value as change
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
