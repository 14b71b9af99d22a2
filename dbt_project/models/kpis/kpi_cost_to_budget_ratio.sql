-- Grain: project_id.
with delivered as (
    select
        *,
        {{ due_date() }} as due_date
    from {{ ref('stg_projects') }}
    where
        delivered_date <= {{ as_of() }}
        and (cancelled_date is null or cancelled_date > {{ as_of() }})
        and budget_amount > 0
),

costed as (
    select
        delivered.project_id,
        delivered.client_id,
        delivered.due_date,
        delivered.delivered_date,
        costs.cost,
        {{ exact('delivered.budget_amount * rates.rate') }} as budget
    from delivered
    -- No cost at all is missing data, not a good result: such a project is left out.
    inner join {{ ref('int_project_costs') }} as costs
        on delivered.project_id = costs.project_id
    left join {{ ref('int_fx_history') }} as rates
        on delivered.currency = rates.currency
        and delivered.start_date between rates.valid_from and rates.valid_to
)

select
    'projects' as source_extract,
    costed.project_id as source_id,
    costed.client_id,
    credit.staff_id,
    costed.delivered_date as event_date,
    costed.cost as numerator,
    costed.budget as denominator,
    1 as sample_size,
    0 as undecided,
    case when costed.cost > costed.budget then 'over_budget' else 'on_budget' end as state,
    {{ as_double('costed.cost - costed.budget') }} as amount,
    costed.due_date,
    costed.delivered_date as done_date
from costed
left join {{ ref('int_credit') }} as credit
    on credit.source_extract = 'projects'
    and costed.project_id = credit.source_id
    and costed.delivered_date between credit.valid_from and credit.valid_to
