-- Grain: subject_id × first_day. The days that count for a person (those as active account staff) and for a team
-- (those on which somebody active of account staff is under its leader), as spans. `role` is the account-staff role
-- that the person or the leader holds on these days, active; '' where none. Spans of one role that touch each other
-- are one.
with staff as (
    select * from {{ ref('int_staff_history') }}
),

own as (
    select
        'own' as scope,
        staff_id,
        role,
        valid_from as first_day,
        valid_to as last_day
    from staff
    where is_account_staff
),

followed as (
    select
        manager_id,
        valid_from,
        valid_to,
        max(valid_to) over (
            partition by manager_id
            order by valid_from, valid_to
            rows between unbounded preceding and 1 preceding
        ) as covered_to
    from {{ ref('int_management_chain') }}
    where is_account_staff and not is_loop
),

led as (
    select
        manager_id,
        valid_from,
        valid_to,
        sum(case when covered_to >= {{ days_after(-1, 'valid_from') }} then 0 else 1 end) over (
            partition by manager_id
            order by valid_from, valid_to
            rows between unbounded preceding and current row
        ) as stretch
    from followed
),

teams as (
    select
        manager_id,
        min(valid_from) as first_day,
        max(valid_to) as last_day
    from led
    group by manager_id, stretch
),

-- What each leader is on every day: a leader may have no row yet, or none at all.
leader_roles as (
    select
        staff_id,
        case when is_account_staff then role else '' end as role,
        valid_from,
        valid_to
    from staff

    union all

    select
        leaders.manager_id as staff_id,
        '' as role,
        {{ beginning_of_time() }} as valid_from,
        coalesce({{ days_after(-1, 'min(staff.valid_from)') }}, {{ end_of_time() }}) as valid_to
    from (select distinct manager_id from teams) as leaders
    left join staff
        on leaders.manager_id = staff.staff_id
    group by leaders.manager_id
),

spans as (
    select * from own

    union all

    select
        'team' as scope,
        teams.manager_id as staff_id,
        leader_roles.role,
        {{ greatest_of('teams.first_day', 'leader_roles.valid_from') }} as first_day,
        {{ least_of('teams.last_day', 'leader_roles.valid_to') }} as last_day
    from teams
    inner join leader_roles
        on teams.manager_id = leader_roles.staff_id
        and teams.first_day <= leader_roles.valid_to
        and teams.last_day >= leader_roles.valid_from
),

marked as (
    select
        subjects.subject_id,
        spans.role,
        spans.first_day,
        spans.last_day,
        case
            when {{ days_after(-1, 'spans.first_day') }} = lag(spans.last_day) over (
                partition by subjects.subject_id, spans.role order by spans.first_day
            ) then 0
            else 1
        end as is_new
    from spans
    inner join {{ ref('int_subjects') }} as subjects
        on spans.scope = subjects.scope
        and spans.staff_id = subjects.person_key
),

numbered as (
    select
        *,
        sum(is_new) over (
            partition by subject_id, role
            order by first_day
            rows between unbounded preceding and current row
        ) as stretch
    from marked
)

select
    subject_id,
    role,
    min(first_day) as first_day,
    max(last_day) as last_day
from numbered
group by subject_id, role, stretch
