-- Grain: period closed. A view: it is worked out around the build.
select
    n,
    period_grain,
    period_start,
    period_end,
    closed_at,
    closed_by,
    note,
    publication_id,
    as_of,
    sha256,
    reopened_at,
    reopened_by,
    reopen_note
from {{ source('closing', 'closings') }}
