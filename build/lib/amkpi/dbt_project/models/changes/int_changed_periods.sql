-- Grain: period_id. The periods of which an input changed, and those after them, which show the change from the period
-- before.
with changed as (
    select distinct period_id from {{ ref('int_changed_sources') }}
)

select period_id from changed
union
select periods.period_id
from {{ ref('int_periods') }} as periods
inner join changed
    on {{ period_id('periods.period_grain', 'periods.previous_start') }} = changed.period_id
