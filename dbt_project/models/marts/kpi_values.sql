-- Grain: kpi × scope × person × period.
select
    kpi,
    scope,
    nullif(person_key, '') as staff_id,
    period_grain,
    period_start,
    period_end,
    value,
    numerator,
    denominator,
    cast(sample_size as bigint) as sample_size,
    unit,
    is_provisional,
    null_reason,
    -- Of the ratios that count cases; cost to budget is one of sums.
    case when unit = 'ratio' and kpi <> 'cost_to_budget_ratio' then {{ wilson('numerator', 'denominator', '-') }} end
        as wilson_low,
    case when unit = 'ratio' and kpi <> 'cost_to_budget_ratio' then {{ wilson('numerator', 'denominator', '+') }} end
        as wilson_high
from {{ ref('int_kpi_values') }}
