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
from {{ source('valid', 'kpi_targets') }}
