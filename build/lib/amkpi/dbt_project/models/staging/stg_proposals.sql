-- Grain: proposal_id.
select
    proposal_id,
    client_id,
    owner_id,
    kind,
    amount,
    currency,
    sent_date,
    outcome,
    decided_date,
    supersedes_proposal_id
from {{ source('valid', 'proposals') }}
