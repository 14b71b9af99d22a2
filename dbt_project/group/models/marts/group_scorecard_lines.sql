-- Grain: kpi × level × code × period. The line of an agency is that of its own company, in its own currency.
with subjects as (
    select distinct
        subject_id,
        level,
        code
    from {{ ref('int_levels') }}
),

agency_lines as (
    select
        lines.*,
        case when catalogue.unit = 'money' then agencies.currency end as currency
    from {{ source('sources', 'agency_lines') }} as lines
    inner join {{ ref('int_kpi_catalogue') }} as catalogue
        on lines.kpi = catalogue.kpi
    inner join {{ source('sources', 'agencies') }} as agencies
        on lines.agency = agencies.agency
)

select
    'agency' as level,
    agency as code,
    period_grain,
    period_start,
    kpi,
    value,
    target,
    attainment,
    weight,
    previous_value,
    change,
    status,
    currency
from agency_lines

union all

select
    subjects.level,
    subjects.code,
    periods.period_grain,
    periods.period_start,
    catalogue.kpi,
    lines.value,
    lines.target,
    lines.attainment,
    lines.weight,
    lines.previous_value,
    -- Some days are not compared with a whole period; a trailing year has always as many.
    case
        when periods.period_grain = 'trailing_12m' or not periods.is_provisional
            then lines.value - lines.previous_value
    end as change,
    lines.status,
    case when catalogue.unit = 'money' then '{{ var("reporting_currency") }}' end as currency
from {{ ref('int_scorecard_lines') }} as lines
inner join subjects
    on lines.subject_id = subjects.subject_id
inner join {{ ref('int_periods') }} as periods
    on lines.period_id = periods.period_id
inner join {{ ref('int_kpi_catalogue') }} as catalogue
    on lines.kpi_number = catalogue.kpi_number
