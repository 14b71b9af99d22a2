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

-- The target and weight of each line: the mean of the targets in force, or for a KPI whose target grows with the days, the
-- sum of each day's share; that needs a target on each counted day. `relation` has the columns of `int_counted_days`.
-- Gives kpi_number, subject_id, period_id, target, weight, where a counted day has a target.
{% macro line_targets(relation) %}
(
    with totals as (
        select
            subject_id,
            period_id,
            sum({{ days_from_to('first_day', 'last_day') }}) as days
        from {{ relation }}
        group by subject_id, period_id
    ),

    in_force as (
        select
            *,
            {{ days_from_to('first_day', 'last_day') }} as days
        from {{ targets_in_force(relation) }} as found
        -- A target that is not above 0 gives the day none.
        where target > 0
    ),

    -- Days of one target in one month or period first, so that a whole month counts exactly its target.
    targets as (
        select
            kpi_number,
            subject_id,
            period_id,
            unit_days,
            target,
            sum(days) as days
        from in_force
        group by kpi_number, subject_id, period_id, unit_start, unit_days, target
    ),

    weights as (
        select
            kpi_number,
            subject_id,
            period_id,
            weight,
            sum(days) as days
        from in_force
        group by kpi_number, subject_id, period_id, weight
    ),

    summed_targets as (
        select
            kpi_number,
            subject_id,
            period_id,
            max(unit_days) is not null as is_growing,
            sum(days) as days,
            min(target) as lowest_target,
            max(target) as highest_target,
            {{ sum_in_order('target * days') }} as target_days,
            {{ sum_in_order('target * (' ~ as_double('days') ~ ' / nullif(unit_days, 0))') }} as shares
        from targets
        group by kpi_number, subject_id, period_id
    ),

    summed_weights as (
        select
            kpi_number,
            subject_id,
            period_id,
            min(weight) as lowest_weight,
            max(weight) as highest_weight,
            {{ sum_in_order('weight * days') }} as weight_days
        from weights
        group by kpi_number, subject_id, period_id
    )

    select
        summed_targets.kpi_number,
        summed_targets.subject_id,
        summed_targets.period_id,
        case
            when summed_targets.is_growing then summed_targets.shares
            -- What is the same on all days is that to the last bit.
            when summed_targets.lowest_target = summed_targets.highest_target then summed_targets.lowest_target
            else summed_targets.target_days / nullif(summed_targets.days, 0)
        end as target,
        case
            when summed_targets.days = totals.days and summed_weights.lowest_weight = summed_weights.highest_weight
                then summed_weights.lowest_weight
            else summed_weights.weight_days / nullif(totals.days, 0)
        end as weight
    from summed_targets
    inner join summed_weights
        on summed_targets.kpi_number = summed_weights.kpi_number
        and summed_targets.subject_id = summed_weights.subject_id
        and summed_targets.period_id = summed_weights.period_id
    inner join totals
        on summed_targets.subject_id = totals.subject_id
        and summed_targets.period_id = totals.period_id
    where not summed_targets.is_growing or summed_targets.days = totals.days
)
{% endmacro %}
