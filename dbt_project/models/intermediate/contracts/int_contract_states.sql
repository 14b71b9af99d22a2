-- Grain: contract_id. Each contract as of the run's date: its state, its last day in force, and the day by which it has
-- to be renewed.
with contracts as (
    select
        *,
        {{ last_day_in_force() }} as last_day
    from {{ ref('int_contracts') }}
),

stated as (
    select
        *,
        case
            when cancelled_date <= end_date then 'cancelled'
            when end_date < {{ as_of() }} then 'ended'
            when start_date > {{ as_of() }} then 'upcoming'
            else 'running'
        end as state,
        -- Until this day another contract can follow without a day on which the client is not active.
        {{ days_after(var('retention_grace_days') + 1, 'last_day') }} as followed_until
    from contracts
),

followed as (
    select distinct stated.contract_id
    from stated
    inner join stated as others
        on stated.client_id = others.client_id
        and stated.contract_id <> others.contract_id
        and stated.followed_until >= others.start_date
        and stated.last_day < others.last_day
    where others.last_day >= others.start_date
)

select
    stated.contract_id,
    stated.client_id,
    stated.staff_id,
    stated.kind,
    stated.state,
    stated.signed_date,
    stated.start_date,
    stated.end_date,
    stated.cancelled_date,
    stated.last_day,
    stated.reporting_amount,
    case
        when stated.state <> 'cancelled' and followed.contract_id is null and stated.followed_until > {{ as_of() }}
            then stated.end_date
    end as renewal_due
from stated
left join followed
    on stated.contract_id = followed.contract_id
