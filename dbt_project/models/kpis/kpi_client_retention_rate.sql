-- Grain: period_grain × period_start × client_id.
with opening as (
    select * from {{ ref('int_opening_clients') }}
),

contracts as (
    select
        *,
        {{ last_day_in_force() }} as last_day
    from {{ ref('int_contracts') }}
),

-- What the contracts by which a client was active on opening are worth, and how long its contracts of that day and
-- later reach.
covered as (
    select
        opening.period_grain,
        opening.period_start,
        opening.client_id,
        sum(case
            when
                contracts.start_date <= opening.opening_date
                and {{ days_after(var('retention_grace_days'), 'contracts.last_day') }} >= opening.opening_date
                then {{ exact('contracts.reporting_amount') }}
        end) as amount,
        max(contracts.last_day) as last_day
    from opening
    inner join contracts
        on opening.client_id = contracts.client_id
        and opening.close_date >= contracts.start_date
    where contracts.last_day >= contracts.start_date
    group by opening.period_grain, opening.period_start, opening.client_id
)

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
    1 as sample_size,
    case when still_active.client_id is not null then 'retained' else 'lost_client' end as state,
    {{ as_double('covered.amount') }} as amount,
    covered.last_day as due_date,
    case when still_active.client_id is null then covered.last_day end as done_date
from opening
left join {{ ref('int_active_clients') }} as still_active
    on opening.client_id = still_active.client_id
    and opening.close_date = still_active.day
left join covered
    on opening.period_grain = covered.period_grain
    and opening.period_start = covered.period_start
    and opening.client_id = covered.client_id
