-- Grain: client_id.
select
    client_id,
    client_name,
    industry
from {{ source('valid', 'clients') }}
