-- Grain: period_id. The periods whose inputs are others than at the last build, or were none then, or are none now; and
-- those after them, which show the change from the period before.
with before as (
    select * from {{ source('audit', 'previous_inputs') }}
),

inputs as (
    select * from {{ ref('int_period_inputs') }}
),

changed as (
    select distinct coalesce(inputs.period_id, before.period_id) as period_id
    from inputs
    full join before
        on inputs.period_id = before.period_id
        and inputs.part = before.part
    where
        inputs.row_count is distinct from before.row_count
        or inputs.hash_xor is distinct from before.hash_xor
        or inputs.hash_sum is distinct from before.hash_sum
)

select period_id from changed
union
select periods.period_id
from {{ ref('int_periods') }} as periods
inner join changed
    on {{ period_id('periods.period_grain', 'periods.previous_start') }} = changed.period_id
