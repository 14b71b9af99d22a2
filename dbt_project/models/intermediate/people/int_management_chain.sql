-- Grain: staff_id × manager_id × valid_from. Everyone over a person, directly or through others, from when to when.
-- `depth` is 1 for the person's own manager. A chain that comes back to somebody in it is cut there and marked: the
-- audit blocks its publication.
with recursive links as (
    select
        staff_id,
        manager_id,
        valid_from,
        valid_to,
        is_account_staff
    from {{ ref('int_staff_history') }}
    where manager_id is not null
),

chain as (
    select
        staff_id,
        manager_id,
        valid_from,
        valid_to,
        is_account_staff,
        -- Unit separators, because an id may hold any printed sign.
        chr(31) || staff_id || chr(31) || manager_id || chr(31) as path,
        staff_id = manager_id as is_loop,
        1 as depth
    from links

    union all

    select
        chain.staff_id,
        links.manager_id,
        {{ greatest_of('chain.valid_from', 'links.valid_from') }} as valid_from,
        {{ least_of('chain.valid_to', 'links.valid_to') }} as valid_to,
        chain.is_account_staff,
        chain.path || links.manager_id || chr(31) as path,
        {{ dbt.position('chr(31) || links.manager_id || chr(31)', 'chain.path') }} > 0 as is_loop,
        chain.depth + 1 as depth
    from chain
    inner join links
        on chain.manager_id = links.staff_id
        and chain.valid_from <= links.valid_to
        and chain.valid_to >= links.valid_from
    where not chain.is_loop
)

select
    staff_id,
    manager_id,
    valid_from,
    valid_to,
    is_account_staff,
    is_loop,
    depth
from chain
