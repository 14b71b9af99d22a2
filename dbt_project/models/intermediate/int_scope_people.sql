-- Grain: scope × person_key × period_grain × period_start. Who has a row in a period: account staff and whoever has the
-- credit for a record (own), whoever had active account staff under them (team), the company. `role` is the last
-- account-staff role that the person held in the period; targets by role go by it.
with periods as (
    select * from {{ ref('int_periods') }}
),

roles as (
    select
        staff.staff_id,
        periods.period_grain,
        periods.period_start,
        staff.role,
        row_number() over (
            partition by staff.staff_id, periods.period_grain, periods.period_start
            order by staff.valid_from desc
        ) as newest
    from periods
    inner join {{ ref('int_staff_history') }} as staff
        on periods.close_date >= staff.valid_from
        and periods.period_start <= staff.valid_to
    where staff.is_account_staff
),

people as (
    select
        'own' as scope,
        staff_id as person_key,
        period_grain,
        period_start
    from roles
    where newest = 1
    union
    select
        scope,
        person_key,
        period_grain,
        period_start
    from {{ ref('int_kpi_sums') }}
    where scope = 'own'
    union
    select
        scope,
        person_key,
        period_grain,
        period_start
    from {{ ref('int_review_scores') }}
    where scope = 'own'
    union
    select
        'team' as scope,
        chain.manager_id as person_key,
        periods.period_grain,
        periods.period_start
    from periods
    inner join {{ ref('int_management_chain') }} as chain
        on periods.close_date >= chain.valid_from
        and periods.period_start <= chain.valid_to
    where chain.is_account_staff and not chain.is_loop
    union
    select
        'company' as scope,
        '' as person_key,
        period_grain,
        period_start
    from periods
)

select
    people.scope,
    people.person_key,
    periods.period_grain,
    periods.period_start,
    periods.period_end,
    periods.close_date,
    periods.previous_start,
    periods.is_provisional,
    roles.role
from people
inner join periods
    on people.period_grain = periods.period_grain
    and people.period_start = periods.period_start
left join roles
    on people.person_key = roles.staff_id
    and people.period_grain = roles.period_grain
    and people.period_start = roles.period_start
    and roles.newest = 1
