-- Grain: kpi × scope × person × period × figure, of those that the last mail reported and readers see otherwise now. A
-- view: it is worked out when publishing, from what was sent.
select
    kpi,
    scope,
    staff_id,
    period_grain,
    period_start,
    value_then,
    value_now,
    cause,
    told_publication_id,
    what,
    rating_then,
    rating_now,
    mailed_at,
    first_seen_at
from {{ source('audit', 'restatements') }}
