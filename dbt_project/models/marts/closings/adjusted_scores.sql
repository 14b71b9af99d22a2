-- Grain: scope × person × closed period. A view: it is worked out around the build.
select
    scope,
    staff_id,
    period_grain,
    period_start,
    closed_score,
    closed_rating,
    fresh_score,
    fresh_rating,
    cause
from {{ source('closing', 'adjusted_scores') }}
