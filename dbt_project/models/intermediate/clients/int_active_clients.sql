-- Grain: client_id × day, for the days on which a period opens or closes. A client is active while a contract is in
-- force and for some days after it.
with in_force as (
    select
        client_id,
        start_date,
        {{ last_day_in_force() }} as last_day
    from {{ ref('int_contracts') }}
),

days as (
    select opening_date as day from {{ ref('int_periods') }}
    union
    select close_date as day from {{ ref('int_periods') }}
)

select distinct
    in_force.client_id,
    days.day
from in_force
inner join days
    on days.day between in_force.start_date and {{ days_after(var('retention_grace_days'), 'in_force.last_day') }}
where in_force.last_day >= in_force.start_date
