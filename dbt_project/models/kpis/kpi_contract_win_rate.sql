-- Grain: proposal_id.
select
    'proposals' as source_extract,
    proposals.proposal_id as source_id,
    proposals.client_id,
    credit.staff_id,
    proposals.sent_date as event_date,
    {{ exact("case when proposals.outcome = 'won' then 1 else 0 end") }} as numerator,
    {{ exact('1') }} as denominator,
    1 as sample_size,
    case when proposals.outcome = 'open' then 1 else 0 end as undecided,
    proposals.outcome as state,
    {{ as_double('proposals.reporting_amount') }} as amount,
    cast(null as date) as due_date,
    proposals.decided_date as done_date
from {{ ref('int_proposals') }} as proposals
left join {{ ref('int_credit') }} as credit
    on credit.source_extract = 'proposals'
    and proposals.proposal_id = credit.source_id
    and proposals.sent_date between credit.valid_from and credit.valid_to
