-- Grain: kpi × scope × period_grain × staff_id × role × valid_from. A target holds until the next one of the same kind.
select
    kpi,
    scope,
    period_grain,
    staff_id,
    role,
    valid_from,
    coalesce(
        {{ days_after(
            -1, 'lead(valid_from) over (partition by kpi, scope, period_grain, staff_id, role order by valid_from)'
        ) }},
        {{ end_of_time() }}
    ) as valid_to,
    target,
    weight
from {{ ref('stg_kpi_targets') }}
