-- Grain: period_grain × period_start × client_id.
select
    opening.period_grain,
    opening.period_start,
    'clients' as source_extract,
    opening.client_id as source_id,
    opening.client_id,
    opening.staff_id,
    opening.opening_date as event_date,
    {{ exact('case when still_active.client_id is not null then 1 else 0 end') }} as numerator,
    {{ exact('1') }} as denominator,
    1 as sample_size
from {{ ref('int_opening_clients') }} as opening
left join {{ ref('int_active_clients') }} as still_active
    on opening.client_id = still_active.client_id
    and opening.close_date = still_active.day
