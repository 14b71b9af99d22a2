-- Grain: contract_id. Each contract that is signed, as of the run's date.
select
    contracts.contract_id,
    contracts.client_id,
    details.client_name,
    contracts.staff_id,
    contracts.kind,
    contracts.state,
    contracts.signed_date,
    contracts.start_date,
    contracts.end_date,
    contracts.cancelled_date,
    contracts.renewal_due,
    {{ as_double('contracts.reporting_amount') }} as amount,
    details.file_name,
    details.line_number
from {{ ref('int_contract_states') }} as contracts
left join {{ ref('int_record_details') }} as details
    on details.source_extract = 'contracts'
    and contracts.contract_id = details.source_id
