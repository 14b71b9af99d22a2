-- Grain: proposal_id. The proposals sent by as_of that no other one, itself sent by as_of, supersedes; what was decided
-- later is still open.
with sent as (
    select
        proposal_id,
        client_id,
        kind,
        amount,
        currency,
        sent_date,
        supersedes_proposal_id,
        case when decided_date > {{ as_of() }} then 'open' else outcome end as outcome,
        case when decided_date <= {{ as_of() }} then decided_date end as decided_date
    from {{ ref('stg_proposals') }}
    where sent_date <= {{ as_of() }}
),

superseded as (
    select distinct supersedes_proposal_id as proposal_id
    from sent
    where supersedes_proposal_id <> proposal_id
)

select
    sent.proposal_id,
    sent.client_id,
    sent.sent_date,
    sent.outcome,
    sent.decided_date,
    sent.kind,
    sent.amount * rates.rate as reporting_amount
from sent
left join superseded
    on sent.proposal_id = superseded.proposal_id
left join {{ ref('int_fx_history') }} as rates
    on sent.currency = rates.currency
    and sent.sent_date between rates.valid_from and rates.valid_to
where superseded.proposal_id is null
