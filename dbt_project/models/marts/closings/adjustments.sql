-- Grain: kpi × scope × person × closed period × taking-up. A view: it is worked out around the build.
select
    kpi,
    scope,
    staff_id,
    period_grain,
    period_start,
    numerator,
    denominator,
    sample_size,
    fresh_value,
    cause,
    carried_to,
    first_seen_at
from {{ source('closing', 'adjustments') }}
