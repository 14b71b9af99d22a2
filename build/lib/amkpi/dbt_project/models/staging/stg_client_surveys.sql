-- Grain: response_id.
select
    response_id,
    client_id,
    project_id,
    sent_date,
    responded_date,
    score,
    scale_min,
    scale_max,
    comment
from {{ source('valid', 'client_surveys') }}
