-- Grain: subject_id × period_id. Who has a row in a period: account staff and whoever has the credit for a record
-- (own), whoever had active account staff under them (team), the company. `role` is the last account-staff role that
-- the person held in the period; targets by role go by it. In the order of the periods, which the values and lines made
-- of it keep: who asks for one period reads a part of the file.
with periods as (
    select * from {{ ref('int_periods') }}
    where {{ is_affected_period('period_id') }}
),

subjects as (
    select * from {{ ref('int_subjects') }}
),

roles as (
    select
        staff.staff_id,
        periods.period_id,
        staff.role,
        row_number() over (partition by staff.staff_id, periods.period_id order by staff.valid_from desc) as newest
    from periods
    inner join {{ ref('int_staff_history') }} as staff
        on periods.close_date >= staff.valid_from
        and periods.period_start <= staff.valid_to
    where staff.is_account_staff
),

last_roles as (
    select
        staff_id,
        period_id,
        role
    from roles
    where newest = 1
),

account_staff as (
    select
        subjects.subject_id,
        last_roles.period_id
    from last_roles
    inner join subjects
        on last_roles.staff_id = subjects.person_key
    where subjects.scope = 'own'
),

credited as (
    select
        sums.subject_id,
        sums.period_id
    from {{ ref('int_kpi_sums') }} as sums
    inner join subjects
        on sums.subject_id = subjects.subject_id
    where subjects.scope = 'own'
),

reviewed as (
    select
        reviews.subject_id,
        reviews.period_id
    from {{ ref('int_review_scores') }} as reviews
    inner join subjects
        on reviews.subject_id = subjects.subject_id
    where subjects.scope = 'own'
),

teams as (
    select
        subjects.subject_id,
        periods.period_id
    from periods
    inner join {{ ref('int_management_chain') }} as chain
        on periods.close_date >= chain.valid_from
        and periods.period_start <= chain.valid_to
    inner join subjects
        on chain.manager_id = subjects.person_key
    where chain.is_account_staff and not chain.is_loop and subjects.scope = 'team'
),

companies as (
    select
        subjects.subject_id,
        periods.period_id
    from periods
    cross join subjects
    where subjects.scope = 'company'
),

people as (
    select * from account_staff
    union
    select * from credited
    union
    select * from reviewed
    union
    select * from teams
    union
    select * from companies
)

select
    people.subject_id,
    people.period_id,
    subjects.scope,
    subjects.person_key,
    periods.period_grain,
    periods.period_start,
    periods.period_end,
    periods.close_date,
    periods.is_provisional,
    last_roles.role
from people
inner join subjects
    on people.subject_id = subjects.subject_id
inner join periods
    on people.period_id = periods.period_id
left join last_roles
    on subjects.person_key = last_roles.staff_id
    and people.period_id = last_roles.period_id
order by people.period_id, people.subject_id
