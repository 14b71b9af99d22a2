-- Grain: staff_id. Each person as of the run's date; who starts later as they will start.
with ranked as (
    select
        *,
        row_number() over (
            partition by staff_id
            order by
                case when valid_from <= {{ as_of() }} then 0 else 1 end,
                case when valid_from <= {{ as_of() }} then valid_from end desc,
                valid_from
        ) as choice
    from {{ ref('stg_staff') }}
)

select
    staff_id,
    full_name,
    role,
    {{ manager_of_staff() }} as manager_id,
    department,
    email,
    locale,
    is_active,
    valid_from
from ranked
where choice = 1
