-- Grain: kpi × scope × person × period. A view that puts names to numbers: a text stands once, not in each of its rows.
select
    people.scope,
    nullif(people.person_key, '') as staff_id,
    people.period_grain,
    people.period_start,
    catalogue.kpi,
    lines.value,
    lines.target,
    lines.attainment,
    lines.weight,
    lines.previous_value,
    -- Some days are not compared with a whole period; a trailing year has always as many.
    case
        when people.period_grain = 'trailing_12m' or not people.is_provisional
            then lines.value - lines.previous_value
    end as change,
    lines.status
from {{ ref('int_scorecard_lines').include(database=false) }} as lines
inner join {{ ref('int_scope_members').include(database=false) }} as people
    on lines.subject_id = people.subject_id
    and lines.period_id = people.period_id
inner join {{ ref('int_kpi_catalogue').include(database=false) }} as catalogue
    on lines.kpi_number = catalogue.kpi_number
