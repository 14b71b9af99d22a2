-- Grain: kpi × scope × person × period, of what a mail told and what is another value now. A view: it is worked out
-- when publishing, from what was sent.
select
    kpi,
    scope,
    staff_id,
    period_grain,
    period_start,
    value_then,
    value_now,
    cause,
    told_publication_id
from {{ source('audit', 'restatements') }}
