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

-- Monthly sums added up to periods. `relation` has scope, person_key, month_start, the keys and the sums. The adding goes
-- by two whole numbers, one for what is added up and one for the period: by the five texts themselves it took four times
-- as long. The numbers live in this query only.
{% macro over_periods(relation, keys, sums) %}
(
    with monthly as (
        select scope, person_key, month_start, {{ (keys + sums) | join(', ') }} from {{ relation }}
    ),

    months as (
        select
            period_grain, period_start, month_start,
            dense_rank() over (order by period_grain, period_start) as period_no
        from {{ ref('int_period_months') }}
    ),

    periods as (
        select distinct period_no, period_grain, period_start from months
    ),

    cells as (
        select
            scope, person_key{% for key in keys %}, {{ key }}{% endfor %},
            row_number() over (order by scope, person_key{% for key in keys %}, {{ key }}{% endfor %}) as cell_no
        from (select distinct scope, person_key{% for key in keys %}, {{ key }}{% endfor %} from monthly) as found
    ),

    numbered as (
        select cells.cell_no, monthly.month_start, {% for sum in sums %}monthly.{{ sum }}{{ ', ' if not loop.last }}{% endfor %}
        from monthly
        inner join cells
            on monthly.scope = cells.scope
            and monthly.person_key = cells.person_key
            {% for key in keys %}
            and monthly.{{ key }} = cells.{{ key }}
            {% endfor %}
    ),

    added as (
        select
            numbered.cell_no,
            months.period_no,
            {% for sum in sums %}sum(numbered.{{ sum }}) as {{ sum }}{{ ', ' if not loop.last }}{% endfor %}
        from numbered
        inner join months
            on numbered.month_start = months.month_start
        group by numbered.cell_no, months.period_no
    )

    select
        cells.scope, cells.person_key, periods.period_grain, periods.period_start,
        {% for key in keys %}cells.{{ key }}, {% endfor %}
        {% for sum in sums %}added.{{ sum }}{{ ', ' if not loop.last }}{% endfor %}
    from added
    inner join cells
        on added.cell_no = cells.cell_no
    inner join periods
        on added.period_no = periods.period_no
)
{% endmacro %}
