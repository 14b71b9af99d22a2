-- Grain: subject_id × agency. The regions and the group, each with its agencies. An agency without a region counts for
-- the group alone.
select
    'region:' || region as subject_id,
    'region' as level,
    region as code,
    agency,
    is_missing
from {{ source('sources', 'agencies') }}
where region <> ''

union all

select
    'group' as subject_id,
    'group' as level,
    cast(null as {{ dbt.type_string() }}) as code,
    agency,
    is_missing
from {{ source('sources', 'agencies') }}
