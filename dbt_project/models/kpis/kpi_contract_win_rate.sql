-- Grain: proposal_id.
with sent as (
    select * from {{ ref('stg_proposals') }}
    where sent_date <= {{ as_of() }}
),

superseded as (
    select distinct supersedes_proposal_id as proposal_id
    from sent
    where supersedes_proposal_id <> proposal_id
)

select
    'proposals' as source_extract,
    sent.proposal_id as source_id,
    sent.client_id,
    coalesce(sent.owner_id, managers.account_manager_id) as staff_id,
    sent.sent_date as event_date,
    {{ exact("case when sent.outcome = 'won' and sent.decided_date <= " ~ as_of() ~ " then 1 else 0 end") }}
        as numerator,
    {{ exact('1') }} as denominator,
    1 as sample_size
from sent
left join superseded
    on sent.proposal_id = superseded.proposal_id
left join {{ ref('int_client_managers') }} as managers
    on sent.client_id = managers.client_id
    and sent.sent_date between managers.valid_from and managers.valid_to
where superseded.proposal_id is null
