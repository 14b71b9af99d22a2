-- Grain: cost_id.
select
    cost_id,
    project_id,
    cost_date,
    department,
    amount,
    currency
from {{ source('valid', 'project_costs') }}
