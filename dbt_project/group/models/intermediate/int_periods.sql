-- Grain: period_grain × period_start. The periods of regions and of the group: those of the agencies that have begun on
-- the date of the group.
with periods as (
    select distinct
        period_grain,
        period_start,
        period_end
    from {{ source('sources', 'agency_values') }}
)

select
    {{ period_id('period_grain', 'period_start') }} as period_id,
    period_grain,
    period_start,
    period_end,
    {{ least_of('period_end', as_of()) }} as close_date,
    period_end > {{ as_of() }} as is_provisional,
    -- The period of the same grain before this one; a trailing year moves by a month.
    case period_grain
        when 'quarter' then {{ months_after(-3, 'period_start') }}
        when 'year' then {{ months_after(-12, 'period_start') }}
        else {{ months_after(-1, 'period_start') }}
    end as previous_start
from periods
-- A trailing year begins in the records with its last month.
where
    case when period_grain = 'trailing_12m' then {{ truncate_to('month', 'period_end') }} else period_start end
    <= {{ as_of() }}
