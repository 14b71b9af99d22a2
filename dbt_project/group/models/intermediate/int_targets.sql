-- Grain: kpi × subject × period_grain × valid_from. A target holds until the next one of the same kind. The columns
-- are those of the agencies' project; a region, and the group, stand in the place of a person.
with targets as (
    select
        kpi,
        level as scope,
        period_grain,
        case when level = 'group' then 'group' else 'region:' || code end as staff_id,
        cast(null as {{ dbt.type_string() }}) as role,
        valid_from,
        target,
        weight
    from {{ source('sources', 'targets') }}
)

select
    kpi,
    scope,
    period_grain,
    staff_id,
    role,
    valid_from,
    coalesce(
        {{ days_after(-1, 'lead(valid_from) over (partition by kpi, period_grain, staff_id order by valid_from)') }},
        {{ end_of_time() }}
    ) as valid_to,
    target,
    weight
from targets
