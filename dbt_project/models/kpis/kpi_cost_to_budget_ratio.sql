-- Grain: project_id.
with delivered as (
    select * from {{ ref('stg_projects') }}
    where
        delivered_date <= {{ as_of() }}
        and (cancelled_date is null or cancelled_date > {{ as_of() }})
        and budget_amount > 0
)

select
    'projects' as source_extract,
    delivered.project_id as source_id,
    delivered.client_id,
    credit.staff_id,
    delivered.delivered_date as event_date,
    costs.cost as numerator,
    {{ exact('delivered.budget_amount * rates.rate') }} as denominator,
    1 as sample_size,
    0 as undecided
from delivered
-- No cost at all is missing data, not a good result: such a project is left out.
inner join {{ ref('int_project_costs') }} as costs
    on delivered.project_id = costs.project_id
left join {{ ref('int_fx_history') }} as rates
    on delivered.currency = rates.currency
    and delivered.start_date between rates.valid_from and rates.valid_to
left join {{ ref('int_credit') }} as credit
    on credit.source_extract = 'projects'
    and delivered.project_id = credit.source_id
    and delivered.delivered_date between credit.valid_from and credit.valid_to
