-- Grain: period_grain × period_start × month_start. Which months make up a period; a record falls into a period by
-- its month.
select
    periods.period_id,
    periods.period_grain,
    periods.period_start,
    periods.close_date,
    months.month_start,
    months.month_end
from {{ ref('int_periods') }} as periods
inner join {{ ref('int_months') }} as months
    on months.month_start between periods.period_start and periods.period_end
