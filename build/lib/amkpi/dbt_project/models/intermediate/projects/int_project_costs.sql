-- Grain: project_id. What a project has cost by as_of, in the reporting currency.
select
    project_id,
    sum(cost) as cost
from {{ ref('int_project_month_costs') }}
group by project_id
