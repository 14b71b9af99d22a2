-- Grain: period_id × part × month_start. The inputs that differ from those of the last build, that are new, or that
-- are gone.
with before as (
    select * from {{ source('audit', 'previous_fingerprints') }}
),

inputs as (
    select * from {{ ref('int_period_fingerprints') }}
)

select
    coalesce(inputs.period_id, before.period_id) as period_id,
    coalesce(inputs.part, before.part) as part,
    coalesce(inputs.month_start, before.month_start) as month_start
from inputs
full join before
    on inputs.period_id = before.period_id
    and inputs.part = before.part
    and inputs.month_start is not distinct from before.month_start
where
    inputs.row_count is distinct from before.row_count
    or inputs.hash_xor is distinct from before.hash_xor
    or inputs.hash_sum is distinct from before.hash_sum
