-- Everyone for whom a person's records count on a day: the person (own and team), everyone over the person on that day
-- (team), the company. `relation` has staff_id and event_date; `keys` are its columns that stay, `sums` those that are
-- added up. Gives scope, person_key (staff_id, '' for the company), the keys and the sums.
{% macro over_scopes(relation, keys, sums) %}
(
    select 'own' as scope, staff_id as person_key, {{ keys | join(', ') }},
        {% for sum in sums %}sum({{ sum }}) as {{ sum }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ relation }}
    where staff_id is not null
    group by staff_id, {{ keys | join(', ') }}

    union all

    select 'team' as scope, person_key, {{ keys | join(', ') }},
        {% for sum in sums %}sum({{ sum }}) as {{ sum }}{{ ', ' if not loop.last }}{% endfor %}
    from (
        select staff_id as person_key, {{ (keys + sums) | join(', ') }}
        from {{ relation }}
        where staff_id is not null

        union all

        select chain.manager_id as person_key, {% for column in keys + sums %}records.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        from {{ relation }} as records
        inner join {{ ref('int_management_chain') }} as chain
            on records.staff_id = chain.staff_id
            and records.event_date between chain.valid_from and chain.valid_to
        where not chain.is_loop
    ) as with_managers
    group by person_key, {{ keys | join(', ') }}

    union all

    select 'company' as scope, '' as person_key, {{ keys | join(', ') }},
        {% for sum in sums %}sum({{ sum }}) as {{ sum }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ relation }}
    group by {{ keys | join(', ') }}
)
{% endmacro %}
