-- Grain: day. Every day of a month that a period can touch. A view.
with numbers as (
    {% for number in range(31) %}
    select {{ number }} as days_later
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

days as (
    select
        {{ days_after('numbers.days_later', 'months.month_start') }} as day,
        months.month_start,
        months.month_end
    from {{ ref('int_months') }} as months
    cross join numbers
)

select
    day,
    month_start,
    {{ truncate_to('quarter', 'day') }} as quarter_start,
    {{ truncate_to('year', 'day') }} as year_start,
    {{ iso_part('isoyear', 'day') }} as iso_year,
    {{ iso_part('week', 'day') }} as iso_week,
    {{ iso_part('isodow', 'day') }} as weekday,
    {{ iso_part('isodow', 'day') }} > 5 as is_weekend,
    day <= {{ as_of() }} as is_past
from days
where day <= month_end
