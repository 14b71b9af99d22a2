-- Grain: record on either side of an adjustment. A view: it is worked out around the build.
select
    side,
    carried_to,
    kpi,
    staff_id,
    client_id,
    event_date,
    period_grain,
    period_start,
    source_extract,
    source_id,
    numerator,
    denominator
from {{ source('closing', 'adjustment_evidence') }}
