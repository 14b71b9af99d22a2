-- Grain: kpi × scope × person_key × period_grain × period_start, where a target is in force on period_start. Revenue
-- grows with the days, so its target counts by the share of the period's days up to close.
with lines as (
    select
        kpi,
        scope,
        person_key,
        role,
        period_grain,
        period_start,
        period_end,
        close_date,
        period_start as day
    from {{ ref('int_kpi_values') }}
),

candidates as (
    {{ targets_in_force('lines', any_grain_only=false) }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by kpi, scope, person_key, period_grain, period_start order by preference
        ) as choice
    from candidates
),

chosen as (
    select * from ranked
    where choice = 1
),

-- Revenue whose target is not for the period's own grain is looked up month by month.
revenue_months as (
    select
        lines.kpi,
        lines.scope,
        lines.person_key,
        lines.role,
        lines.period_grain,
        lines.period_start,
        months.month_start as day,
        -- Up to close: a month after it counts nothing.
        greatest({{ days_from_to('months.month_start', 'least(months.month_end, months.close_date)') }}, 0)
        / {{ days_from_to('months.month_start', 'months.month_end') }} as share_elapsed
    from lines
    inner join chosen
        on lines.kpi = chosen.kpi
        and lines.scope = chosen.scope
        and lines.person_key = chosen.person_key
        and lines.period_grain = chosen.period_grain
        and lines.period_start = chosen.period_start
    inner join {{ ref('int_period_months') }} as months
        on lines.period_grain = months.period_grain
        and lines.period_start = months.period_start
    where lines.kpi = 'client_revenue' and not chosen.is_of_own_grain
),

month_candidates as (
    {{ targets_in_force('revenue_months', any_grain_only=true) }}
),

month_ranked as (
    select
        *,
        row_number() over (
            partition by kpi, scope, person_key, period_grain, period_start, day order by preference
        ) as choice
    from month_candidates
),

month_sums as (
    select
        revenue_months.scope,
        revenue_months.person_key,
        revenue_months.period_grain,
        revenue_months.period_start,
        -- A month without a target leaves the period without one.
        case
            when count(*) = count(month_ranked.target)
                then {{ as_double('sum(' ~ exact('month_ranked.target * revenue_months.share_elapsed') ~ ')') }}
        end as target
    from revenue_months
    left join month_ranked
        on revenue_months.scope = month_ranked.scope
        and revenue_months.person_key = month_ranked.person_key
        and revenue_months.period_grain = month_ranked.period_grain
        and revenue_months.period_start = month_ranked.period_start
        and revenue_months.day = month_ranked.day
        and month_ranked.choice = 1
    group by
        revenue_months.scope, revenue_months.person_key, revenue_months.period_grain, revenue_months.period_start
),

final as (
    select
        chosen.kpi,
        chosen.scope,
        chosen.person_key,
        chosen.period_grain,
        chosen.period_start,
        case
            when chosen.kpi <> 'client_revenue' then chosen.target
            when chosen.is_of_own_grain
                then
                    chosen.target * {{ days_from_to('lines.period_start', 'lines.close_date') }}
                    / {{ days_from_to('lines.period_start', 'lines.period_end') }}
            else month_sums.target
        end as target,
        chosen.weight
    from chosen
    inner join lines
        on chosen.kpi = lines.kpi
        and chosen.scope = lines.scope
        and chosen.person_key = lines.person_key
        and chosen.period_grain = lines.period_grain
        and chosen.period_start = lines.period_start
    left join month_sums
        on chosen.scope = month_sums.scope
        and chosen.person_key = month_sums.person_key
        and chosen.period_grain = month_sums.period_grain
        and chosen.period_start = month_sums.period_start
)

select * from final
