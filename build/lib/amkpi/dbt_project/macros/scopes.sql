-- Everyone for whom a person's records count on a day: the person (own and team), everyone over the person on that day
-- (team), the company. `relation` has staff_id and event_date; `keys` are its columns that stay, `sums` those that are
-- added up. Gives subject_id, the keys and the sums.
{% macro over_scopes(relation, keys, sums) %}
(
    select subject_id, {{ keys | join(', ') }},
        {% for sum in sums %}sum({{ sum }}) as {{ sum }}{{ ', ' if not loop.last }}{% endfor %}
    from (
        select subjects.subject_id, {% for column in keys + sums %}records.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        from {{ relation }} as records
        inner join {{ ref('int_subjects') }} as subjects
            on records.staff_id = subjects.person_key
            and subjects.scope in ('own', 'team')

        union all

        select subjects.subject_id, {% for column in keys + sums %}records.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        from {{ relation }} as records
        inner join {{ ref('int_management_chain') }} as chain
            on records.staff_id = chain.staff_id
            and records.event_date between chain.valid_from and chain.valid_to
        inner join {{ ref('int_subjects') }} as subjects
            on chain.manager_id = subjects.person_key
            and subjects.scope = 'team'
        where not chain.is_loop

        union all

        select subjects.subject_id, {% for column in keys + sums %}records.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        from {{ relation }} as records
        cross join {{ ref('int_subjects') }} as subjects
        where subjects.scope = 'company'
    ) as counted
    group by subject_id, {{ keys | join(', ') }}
)
{% endmacro %}

-- Monthly sums added up to the periods that are to be made. `relation` has subject_id, month_start, the keys and the
-- sums; gives subject_id, period_id, the keys and the sums.
{% macro roll_up_periods(relation, keys, sums) %}
(
    select
        monthly.subject_id, months.period_id, {% for key in keys %}monthly.{{ key }}, {% endfor %}
        {% for sum in sums %}sum(monthly.{{ sum }}) as {{ sum }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ relation }} as monthly
    inner join {{ ref('int_period_months') }} as months
        on monthly.month_start = months.month_start
    where {{ is_affected_period('months.period_id') }}
    group by monthly.subject_id, months.period_id{% for key in keys %}, monthly.{{ key }}{% endfor %}
)
{% endmacro %}
