-- Grain: cost_id.
select
    cost_id,
    project_id,
    cost_date,
    department,
    amount,
    currency
from {{ source('current_rows', 'project_costs') }}
