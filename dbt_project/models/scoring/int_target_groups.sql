-- Grain: subject_id × period_id. Who shares their targets: those who have some of their own stand alone, the others
-- with everyone of their scope and role. Targets are looked up once a group, not once a person. Of the periods that are
-- made anew alone: the lines of the others stand.
with with_own as (
    select distinct
        scope,
        staff_id
    from {{ ref('int_targets') }}
    where staff_id is not null
),

holders as (
    select
        people.subject_id,
        people.period_id,
        people.scope,
        coalesce(with_own.staff_id, '') as person_key,
        coalesce(people.role, '') as role
    from {{ ref('int_scope_members') }} as people
    left join with_own
        on people.scope = with_own.scope
        and people.person_key = with_own.staff_id
    where people.period_id in (select changed.period_id from {{ ref('int_changed_periods') }} as changed)
),

found as (
    select distinct
        scope,
        person_key,
        role
    from holders
),

numbered as (
    select
        scope,
        person_key,
        role,
        cast(row_number() over (order by scope, person_key, role) as integer) as target_group_id
    from found
)

select
    holders.subject_id,
    holders.period_id,
    numbered.target_group_id,
    holders.scope,
    holders.person_key,
    holders.role
from holders
inner join numbered
    on holders.scope = numbered.scope
    and holders.person_key = numbered.person_key
    and holders.role = numbered.role
