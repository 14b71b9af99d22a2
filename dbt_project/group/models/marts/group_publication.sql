-- Grain: one row. A view: it is written when the group's publication is.
select
    publication_id,
    as_of,
    published_at,
    pipeline_version,
    reporting_currency,
    group_name,
    agencies,
    agencies_missing
from {{ source('audit', 'publication') }}
