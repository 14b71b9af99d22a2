-- Grain: kpi × scope × period_grain × staff_id × role × valid_from.
select
    kpi,
    scope,
    period_grain,
    staff_id,
    role,
    valid_from,
    target,
    weight
from {{ source('current_rows', 'kpi_targets') }}
