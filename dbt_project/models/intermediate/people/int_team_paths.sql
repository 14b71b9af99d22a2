-- Grain: staff_id × valid_from. Everyone over a person in one list, the person's own manager first, from when to when.
-- Days on which nobody is over the person have no row.
with chain as (
    select * from {{ ref('int_management_chain') }}
    where not is_loop
),

-- The days on which the list may change.
edges as (
    select
        staff_id,
        valid_from as day
    from chain

    union

    select
        staff_id,
        {{ days_after(1, 'valid_to') }} as day
    from chain
    where valid_to < {{ end_of_time() }}
),

spans as (
    select
        staff_id,
        day as valid_from,
        coalesce(
            {{ days_after(-1, 'lead(day) over (partition by staff_id order by day)') }},
            {{ end_of_time() }}
        ) as valid_to
    from edges
)

select
    spans.staff_id,
    spans.valid_from,
    spans.valid_to,
    {{ list_in_order('chain.manager_id', 'chain.depth') }} as team_path
from spans
inner join chain
    on spans.staff_id = chain.staff_id
    and spans.valid_from between chain.valid_from and chain.valid_to
group by spans.staff_id, spans.valid_from, spans.valid_to
