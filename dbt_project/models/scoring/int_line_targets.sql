-- Grain: kpi_number × target_group_id × period_id, where a target is in force on period_start. Revenue grows with the
-- days, so its target counts by the share of the period's days up to close.
with lines as (
    select
        catalogue.kpi,
        catalogue.kpi_number,
        holders.target_group_id,
        holders.scope,
        holders.person_key,
        holders.role,
        periods.period_id,
        periods.period_grain,
        periods.period_start,
        periods.period_end,
        periods.close_date,
        periods.period_start as day
    from (
        select distinct
            target_group_id,
            period_id,
            scope,
            person_key,
            role
        from {{ ref('int_target_groups') }}
    ) as holders
    inner join {{ ref('int_periods') }} as periods
        on holders.period_id = periods.period_id
    cross join {{ ref('int_kpi_catalogue') }} as catalogue
),

candidates as (
    {{ targets_in_force('lines', any_grain_only=false) }}
),

ranked as (
    select
        *,
        row_number() over (partition by kpi_number, target_group_id, period_id order by preference) as choice
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
        lines.kpi_number,
        lines.target_group_id,
        lines.scope,
        lines.person_key,
        lines.role,
        lines.period_id,
        lines.period_grain,
        months.month_start as day,
        -- Up to close: a month after it counts nothing.
        greatest({{ days_from_to('months.month_start', 'least(months.month_end, months.close_date)') }}, 0)
        / {{ days_from_to('months.month_start', 'months.month_end') }} as share_elapsed
    from lines
    inner join chosen
        on lines.kpi_number = chosen.kpi_number
        and lines.target_group_id = chosen.target_group_id
        and lines.period_id = chosen.period_id
    inner join {{ ref('int_period_months') }} as months
        on lines.period_id = months.period_id
    where lines.kpi = 'client_revenue' and not chosen.is_of_own_grain
),

month_candidates as (
    {{ targets_in_force('revenue_months', any_grain_only=true) }}
),

month_ranked as (
    select
        *,
        row_number() over (partition by target_group_id, period_id, day order by preference) as choice
    from month_candidates
),

month_sums as (
    select
        revenue_months.target_group_id,
        revenue_months.period_id,
        -- A month without a target leaves the period without one.
        case
            when count(*) = count(month_ranked.target)
                then {{ as_double('sum(' ~ exact('month_ranked.target * revenue_months.share_elapsed') ~ ')') }}
        end as target
    from revenue_months
    left join month_ranked
        on revenue_months.target_group_id = month_ranked.target_group_id
        and revenue_months.period_id = month_ranked.period_id
        and revenue_months.day = month_ranked.day
        and month_ranked.choice = 1
    group by revenue_months.target_group_id, revenue_months.period_id
)

select
    lines.kpi_number,
    lines.target_group_id,
    lines.period_id,
    case
        when lines.kpi <> 'client_revenue' then chosen.target
        when chosen.is_of_own_grain
            then
                chosen.target * {{ days_from_to('lines.period_start', 'lines.close_date') }}
                / {{ days_from_to('lines.period_start', 'lines.period_end') }}
        else month_sums.target
    end as target,
    chosen.weight
from chosen
inner join lines
    on chosen.kpi_number = lines.kpi_number
    and chosen.target_group_id = lines.target_group_id
    and chosen.period_id = lines.period_id
left join month_sums
    on chosen.target_group_id = month_sums.target_group_id
    and chosen.period_id = month_sums.period_id
