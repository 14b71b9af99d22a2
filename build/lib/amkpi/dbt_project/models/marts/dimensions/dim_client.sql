-- Grain: client_id. Each client as of the run's date.
select
    clients.client_id,
    clients.client_name,
    managers.account_manager_id as manager_id,
    clients.industry,
    active.client_id is not null as is_active
from {{ ref('stg_clients') }} as clients
left join {{ ref('int_client_managers') }} as managers
    on clients.client_id = managers.client_id
    and {{ as_of() }} between managers.valid_from and managers.valid_to
left join {{ ref('int_active_clients') }} as active
    on clients.client_id = active.client_id
    and active.day = {{ as_of() }}
