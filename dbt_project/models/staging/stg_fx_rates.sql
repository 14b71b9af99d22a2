-- Grain: currency × rate_date.
select
    currency,
    rate_date,
    rate
from {{ source('current_rows', 'fx_rates') }}
