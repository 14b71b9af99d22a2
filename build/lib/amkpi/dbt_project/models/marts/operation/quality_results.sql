-- Grain: expectation of the last audit. A view: the audit comes after the build.
select
    suite,
    expectation,
    table_name,
    column_name,
    success,
    severity,
    observed,
    unexpected_count,
    advice,
    since,
    rows_concerned
from {{ source('audit', 'results') }}
