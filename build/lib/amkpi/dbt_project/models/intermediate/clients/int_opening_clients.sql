-- Grain: period_grain × period_start × client_id. The clients that were active when the period opened, and whose they
-- were then: what retention and upsell / cross-sell are measured on.
select
    periods.period_grain,
    periods.period_start,
    periods.close_date,
    periods.opening_date,
    clients.client_id,
    credit.staff_id
from {{ ref('int_periods') }} as periods
inner join {{ ref('int_active_clients') }} as clients
    on periods.opening_date = clients.day
left join {{ ref('int_credit') }} as credit
    on credit.source_extract = 'clients'
    and clients.client_id = credit.source_id
    and periods.opening_date between credit.valid_from and credit.valid_to
