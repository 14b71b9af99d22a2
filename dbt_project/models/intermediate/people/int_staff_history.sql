-- Grain: staff_id × valid_from. A row holds until the same person's next one.
select
    staff_id,
    valid_from,
    coalesce(
        {{ days_after(-1, 'lead(valid_from) over (partition by staff_id order by valid_from)') }},
        {{ end_of_time() }}
    ) as valid_to,
    full_name,
    role,
    {{ manager_of_staff() }} as manager_id,
    is_active,
    is_active and role in {{ text_list(var('account_roles')) }} as is_account_staff
from {{ ref('stg_staff') }}
