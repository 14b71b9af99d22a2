-- Grain: scorecard sent, or tried. A view: what was sent stands in HOME/state/ and is read in when publishing.
select
    grain,
    period,
    staff_id,
    publication_id,
    state,
    -- A word of SQL in DuckDB 2.0, though not yet in the linter's dialect.
    "at", -- noqa: RF06
    message_id,
    values_sent
from {{ source('audit', 'scorecards_sent') }}
