-- Grain: month_start. The months in which a record changed, or on whose days the managers of somebody changed; all
-- months, where the people themselves changed. No record depends on targets or on the days that count.
with changed as (
    select * from {{ ref('int_changed_sources') }}
    where part not in ('int_counted_spans', 'int_targets')
)

select month_start from changed
where month_start is not null
union
select months.month_start
from {{ ref('int_period_months') }} as months
inner join changed
    on changed.part in ('int_subjects', 'int_management_chain')
    and changed.month_start is null
    and months.period_id = changed.period_id
