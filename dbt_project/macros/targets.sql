-- Which row of the targets is in force on which days. `relation` has the columns of `int_counted_days`; each of its spans
-- (`span_start` is its first day) is cut into spans of days on which one row is in force. A row is looked up by level: 1
-- the person and the period's grain, 2 the person and any grain, 3 the role and the grain, 4 the role and any grain; 5
-- and 6 the same for the company. A level is asked only up to the day before the first row of a better one: that row,
-- and those after it at its level, are in force from then on. Days on which no row is in force are left out.
-- A target that grows with the days counts by their share of what it is for: of the period where the row is for the
-- period's own grain, else of the day's month. Its spans are cut by month then, and `unit_days` is how many days the
-- period or month has; NULL for other targets.
{% macro targets_in_force(relation) %}
    {% set by = [
        "targets.scope <> 'company' and targets.staff_id = counted.person_key",
        "targets.scope <> 'company' and targets.staff_id is null and targets.role = counted.role",
        "targets.scope = 'company'",
    ] %}
(
    select
        catalogue.kpi_number,
        levels.kpi,
        levels.subject_id,
        levels.period_id,
        levels.span_start,
        levels.level,
        {{ greatest_of('levels.first_day', 'coalesce(months.month_start, levels.first_day)') }} as first_day,
        {{ least_of('levels.last_day', 'coalesce(months.month_end, levels.last_day)') }} as last_day,
        coalesce(months.month_start, levels.period_start) as unit_start,
        case
            when catalogue.target_growth <> 'sum_of_days' then null
            when months.month_start is not null then {{ days_from_to('months.month_start', 'months.month_end') }}
            else {{ days_from_to('levels.period_start', 'levels.period_end') }}
        end as unit_days,
        levels.target_grain,
        levels.target_staff_id,
        levels.target_role,
        levels.valid_from,
        levels.target,
        levels.weight
    from (
        select
            kpi,
            subject_id,
            period_id,
            period_start,
            period_end,
            span_start,
            level,
            first_day,
            case when hidden_from <= last_day then {{ days_after(-1, 'hidden_from') }} else last_day end as last_day,
            target_grain,
            target_staff_id,
            target_role,
            valid_from,
            target,
            weight
        from (
            select
                *,
                min(first_day) over (
                    partition by kpi, subject_id, period_id, span_start
                    order by level
                    range between unbounded preceding and 1 preceding
                ) as hidden_from
            from (
                {% for match in by %}
                select
                    targets.kpi,
                    counted.subject_id,
                    counted.period_id,
                    counted.period_start,
                    counted.period_end,
                    counted.first_day as span_start,
                    {{ loop.index0 * 2 + 1 }} + case when targets.period_grain is null then 1 else 0 end as level,
                    {{ greatest_of('counted.first_day', 'targets.valid_from') }} as first_day,
                    {{ least_of('counted.last_day', 'targets.valid_to') }} as last_day,
                    targets.period_grain as target_grain,
                    targets.staff_id as target_staff_id,
                    targets.role as target_role,
                    targets.valid_from,
                    targets.target,
                    targets.weight
                from {{ relation }} as counted
                inner join {{ ref('int_targets').include(database=false) }} as targets
                    on counted.scope = targets.scope
                    and {{ match }}
                    and counted.first_day <= targets.valid_to
                    and counted.last_day >= targets.valid_from
                where targets.period_grain is null or targets.period_grain = counted.period_grain

                {{ 'union all' if not loop.last }}
                {% endfor %}
            ) as candidates
        ) as compared
        where hidden_from is null or first_day < hidden_from
    ) as levels
    inner join {{ ref('int_kpi_catalogue').include(database=false) }} as catalogue
        on levels.kpi = catalogue.kpi
    left join {{ ref('int_period_months').include(database=false) }} as months
        on catalogue.target_growth = 'sum_of_days'
        and levels.target_grain is null
        and levels.period_id = months.period_id
        and levels.first_day <= months.month_end
        and levels.last_day >= months.month_start
)
{% endmacro %}
