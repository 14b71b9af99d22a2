-- Grain: proposal_id. Each proposal that was sent and that no other one supersedes, as of the run's date.
select
    proposals.source_id as proposal_id,
    proposals.client_id,
    details.client_name,
    proposals.staff_id,
    details.kind,
    proposals.state,
    proposals.event_date as sent_date,
    proposals.done_date as decided_date,
    proposals.amount,
    details.file_name,
    details.line_number
from {{ ref('kpi_contract_win_rate') }} as proposals
left join {{ ref('int_record_details') }} as details
    on details.source_extract = 'proposals'
    and proposals.source_id = details.source_id
