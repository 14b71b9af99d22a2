-- Grain: period_grain × period_start × client_id. The clients that were active when the period opened, and whose they
-- were then: what retention and upsell / cross-sell are measured on.
select
    periods.period_grain,
    periods.period_start,
    periods.close_date,
    periods.opening_date,
    clients.client_id,
    managers.account_manager_id as staff_id
from {{ ref('int_periods') }} as periods
inner join {{ ref('int_active_clients') }} as clients
    on periods.opening_date = clients.day
left join {{ ref('int_client_managers') }} as managers
    on clients.client_id = managers.client_id
    and periods.opening_date between managers.valid_from and managers.valid_to
