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
    {% set has_interval = "kpi in ('client_retention_rate', 'on_time_delivery_rate', 'client_satisfaction', 'contract_win_rate', 'upsell_cross_sell_rate')" %}
    case when {{ has_interval }} then {{ wilson('numerator', 'denominator', '-') }} end as wilson_low,
    case when {{ has_interval }} then {{ wilson('numerator', 'denominator', '+') }} end as wilson_high
from {{ ref('int_kpi_values') }}
