-- Grain: project_id × month_start. What a project cost in a month, up to as_of, in the reporting currency.
select
    costs.project_id,
    {{ truncate_to('month', 'costs.cost_date') }} as month_start,
    sum({{ exact('costs.amount * rates.rate') }}) as cost
from {{ ref('stg_project_costs') }} as costs
left join {{ ref('int_fx_history') }} as rates
    on costs.currency = rates.currency
    and costs.cost_date between rates.valid_from and rates.valid_to
where costs.cost_date <= {{ as_of() }}
group by costs.project_id, {{ truncate_to('month', 'costs.cost_date') }}
