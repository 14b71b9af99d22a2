-- Grain: period_grain × period_start. `period_id` is the same whenever and from whatever data it is built.
with months as (
    select
        month_start,
        month_end
    from {{ ref('int_months') }}
    where has_records
),

periods as (
    select
        'month' as period_grain,
        month_start as period_start,
        month_end as period_end
    from months

    union all

    select
        'trailing_12m' as period_grain,
        {{ months_after(-11, 'month_start') }} as period_start,
        month_end as period_end
    from months

    union all

    select distinct
        'quarter' as period_grain,
        {{ truncate_to('quarter', 'month_start') }} as period_start,
        {{ days_after(-1, months_after(3, truncate_to('quarter', 'month_start'))) }} as period_end
    from months

    union all

    select distinct
        'year' as period_grain,
        {{ truncate_to('year', 'month_start') }} as period_start,
        {{ days_after(-1, months_after(12, truncate_to('year', 'month_start'))) }} as period_end
    from months
),

final as (
    select
        {{ period_id('period_grain', 'period_start') }} as period_id,
        period_grain,
        period_start,
        period_end,
        {{ days_after(-1, 'period_start') }} as opening_date,
        {{ least_of('period_end', as_of()) }} as close_date,
        period_end > {{ as_of() }} as is_provisional,
        -- The period of the same grain before this one; a trailing year moves by a month.
        case period_grain
            when 'quarter' then {{ months_after(-3, 'period_start') }}
            when 'year' then {{ months_after(-12, 'period_start') }}
            else {{ months_after(-1, 'period_start') }}
        end as previous_start
    from periods
)

select * from final
