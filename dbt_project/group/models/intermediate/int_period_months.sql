-- Grain: period_grain × period_start × month_start. Which months make up a period.
with offsets as (
    {% for number in range(12) %}
    select {{ number }} as months_later {{ 'union all' if not loop.last }}
    {% endfor %}
),

months as (
    select
        periods.period_id,
        periods.period_grain,
        periods.period_start,
        periods.period_end,
        periods.close_date,
        {{ months_after('offsets.months_later', 'periods.period_start') }} as month_start
    from {{ ref('int_periods') }} as periods
    cross join offsets
)

select
    period_id,
    period_grain,
    period_start,
    close_date,
    month_start,
    {{ days_after(-1, months_after(1, 'month_start')) }} as month_end
from months
where month_start <= period_end
