-- Grain: contract_id.
select
    contract_id,
    client_id,
    owner_id,
    proposal_id,
    kind,
    signed_date,
    start_date,
    end_date,
    amount,
    currency,
    cancelled_date
from {{ source('valid', 'contracts') }}
