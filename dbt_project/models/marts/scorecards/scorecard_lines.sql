-- Grain: kpi × scope × person × period. A view that puts names to numbers: a text stands once, not in each of its rows.
-- The value before is the one that readers see: after a closed period, the closed one.
with lines as (
    select
        people.scope,
        nullif(people.person_key, '') as staff_id,
        people.period_grain,
        people.period_start,
        people.is_provisional,
        catalogue.kpi,
        lines.value,
        lines.target,
        lines.attainment,
        lines.weight,
        case when before.next_start is null then lines.previous_value else closed.value end as previous_value,
        lines.status
    from {{ ref('int_scorecard_lines').include(database=false) }} as lines
    inner join {{ ref('int_scope_members').include(database=false) }} as people
        on lines.subject_id = people.subject_id
        and lines.period_id = people.period_id
    inner join {{ ref('int_kpi_catalogue').include(database=false) }} as catalogue
        on lines.kpi_number = catalogue.kpi_number
    left join {{ source('closing', 'periods').include(database=false) }} as before
        on people.period_grain = before.period_grain
        and people.period_start = before.next_start
    left join {{ source('closing', 'previous_values').include(database=false) }} as closed
        on before.period_grain = closed.period_grain
        and before.next_start = closed.period_start
        and people.scope = closed.scope
        and people.person_key = closed.person_key
        and catalogue.kpi = closed.kpi
)

select
    scope,
    staff_id,
    period_grain,
    period_start,
    kpi,
    value,
    target,
    attainment,
    weight,
    previous_value,
    -- Some days are not compared with a whole period; a trailing year has always as many.
    case when period_grain = 'trailing_12m' or not is_provisional then value - previous_value end as change,
    status,
    false as is_closed
from lines
