-- Grain: scorecard sent, or tried. A view: what was sent stands in HOME/state/ and is read in when publishing.
select
    grain,
    period,
    staff_id,
    publication_id,
    state,
    -- A word of SQL.
    {{ adapter.quote('at') }},
    message_id,
    values_sent
from {{ source('audit', 'scorecards_sent') }}
