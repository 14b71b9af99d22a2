-- Grain: kpi × scope × person × period.
select
    scope,
    nullif(person_key, '') as staff_id,
    period_grain,
    period_start,
    kpi,
    value,
    target,
    attainment,
    weight,
    previous_value,
    change,
    status
from {{ ref('int_scorecard_lines') }}
