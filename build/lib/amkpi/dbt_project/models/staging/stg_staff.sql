-- Grain: staff_id × valid_from.
select
    staff_id,
    valid_from,
    full_name,
    email,
    role,
    department,
    manager_id,
    locale,
    is_active
from {{ source('valid', 'staff') }}
