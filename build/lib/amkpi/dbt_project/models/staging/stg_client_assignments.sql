-- Grain: client_id × valid_from.
select
    client_id,
    valid_from,
    account_manager_id,
    valid_to
from {{ source('valid', 'client_assignments') }}
