-- Grain: kpi × scope × person × period. A view that puts names to numbers: a text stands once, not in each of its rows.
select
    catalogue.kpi,
    people.scope,
    nullif(people.person_key, '') as staff_id,
    people.period_grain,
    people.period_start,
    people.period_end,
    kpi_values.value,
    kpi_values.numerator,
    kpi_values.denominator,
    kpi_values.sample_size,
    catalogue.unit,
    people.is_provisional,
    kpi_values.null_reason,
    case
        when catalogue.aggregation = 'ratio_of_counts'
            then {{ wilson('kpi_values.numerator', 'kpi_values.denominator', '-') }}
    end as wilson_low,
    case
        when catalogue.aggregation = 'ratio_of_counts'
            then {{ wilson('kpi_values.numerator', 'kpi_values.denominator', '+') }}
    end as wilson_high,
    kpi_values.undecided,
    false as is_closed
from {{ ref('int_kpi_values').include(database=false) }} as kpi_values
inner join {{ ref('int_scope_members').include(database=false) }} as people
    on kpi_values.subject_id = people.subject_id
    and kpi_values.period_id = people.period_id
inner join {{ ref('int_kpi_catalogue').include(database=false) }} as catalogue
    on kpi_values.kpi_number = catalogue.kpi_number
