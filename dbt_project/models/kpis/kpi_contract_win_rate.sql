-- Grain: proposal_id.
select
    'proposals' as source_extract,
    proposals.proposal_id as source_id,
    proposals.client_id,
    coalesce(proposals.owner_id, managers.account_manager_id) as staff_id,
    proposals.sent_date as event_date,
    {{ exact("case when proposals.outcome = 'won' then 1 else 0 end") }} as numerator,
    {{ exact('1') }} as denominator,
    1 as sample_size
from {{ ref('int_proposals') }} as proposals
left join {{ ref('int_client_managers') }} as managers
    on proposals.client_id = managers.client_id
    and proposals.sent_date between managers.valid_from and managers.valid_to
