-- Grain: one row. A view: publishing comes after the build.
select
    publication_id,
    as_of,
    published_at,
    pipeline_version,
    reporting_currency,
    closing_n,
    closing_sha256,
    settings
from {{ source('audit', 'publication') }}
