-- Grain: currency × rate_date.
select
    currency,
    rate_date,
    rate
from {{ source('valid', 'fx_rates') }}
