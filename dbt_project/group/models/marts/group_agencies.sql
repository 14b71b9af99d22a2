-- Grain: agency.
select
    agency,
    name,
    region,
    publication_id,
    as_of,
    published_at,
    currency,
    is_missing,
    problem,
    -- Whether the group counts days of this agency that another agency does not have yet.
    coalesce(as_of > {{ as_of() }}, false) as is_ahead,
    coalesce(as_of < {{ as_of() }}, false) as is_behind
from {{ source('sources', 'agencies') }}
