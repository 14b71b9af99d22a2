-- Grain: period_grain × period_start. Also a closed period of which the data of today has nothing left. A view.
with periods as (
    select
        period_grain,
        period_start,
        period_end,
        is_provisional
    from {{ ref('int_periods') }}

    union all

    select
        closed.period_grain,
        closed.period_start,
        closed.period_end,
        false as is_provisional
    from {{ source('closing', 'periods') }} as closed
    left join {{ ref('int_periods') }} as known
        on closed.period_grain = known.period_grain
        and closed.period_start = known.period_start
    where known.period_start is null
),

named as (
    select
        *,
        cast(extract(year from period_end) as {{ dbt.type_string() }}) as year_name,
        cast(extract(quarter from period_end) as {{ dbt.type_string() }}) as quarter_name,
        lpad(cast(extract(month from period_end) as {{ dbt.type_string() }}), 2, '0') as month_name
    from periods
)

select
    period_grain,
    period_start,
    period_end,
    case period_grain
        when 'month' then year_name || '-' || month_name
        when 'quarter' then year_name || '-Q' || quarter_name
        when 'year' then year_name
        else 't12m:' || year_name || '-' || month_name
    end as period,
    cast({{ days_from_to('period_start', 'period_end') }} as bigint) as days,
    is_provisional
from named
