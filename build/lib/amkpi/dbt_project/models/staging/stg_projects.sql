-- Grain: project_id.
select
    project_id,
    client_id,
    owner_id,
    contract_id,
    project_name,
    start_date,
    committed_due_date,
    agreed_due_date,
    agreed_on,
    delivered_date,
    cancelled_date,
    budget_amount,
    currency
from {{ source('valid', 'projects') }}
