-- Grain: month_start. The months of which a record changed; all, where it is the people or who is over whom.
select month_start from {{ ref('int_changed_sources') }}
where month_start is not null
union
select months.month_start
from {{ ref('int_period_months') }} as months
inner join {{ ref('int_changed_sources') }} as changed
    on changed.part in ('int_subjects', 'int_management_chain')
    and months.period_id = changed.period_id
