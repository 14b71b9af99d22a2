-- Grain: scope × person_key × period that was ever closed. The score that such a period has by all records, targets and
-- variables of today, with the closed line of the private KPI: a closed score and this one differ by what is shown.
with catalogue as (
    select
        kpi_number,
        kpi
    from {{ ref('int_kpi_catalogue') }}
),

private_lines as (
    select * from {{ source('closing', 'private_lines') }}
),

ever_closed as (
    select distinct
        period_grain,
        period_start
    from {{ source('closing', 'closings') }}
),

people as (
    select
        people.subject_id,
        people.period_id,
        people.scope,
        people.person_key,
        people.period_grain,
        people.period_start
    from {{ ref('int_scope_members') }} as people
    inner join ever_closed as closed
        on people.period_grain = closed.period_grain
        and people.period_start = closed.period_start
),

lines as (
    select
        people.subject_id,
        people.period_id,
        lines.target,
        lines.attainment,
        lines.weight
    from {{ ref('int_scorecard_lines') }} as lines
    inner join people
        on lines.subject_id = people.subject_id
        and lines.period_id = people.period_id
    inner join catalogue
        on lines.kpi_number = catalogue.kpi_number
    where catalogue.kpi not in (select private_lines.kpi from private_lines)

    union all

    select
        people.subject_id,
        people.period_id,
        private_lines.target,
        private_lines.attainment,
        private_lines.weight
    from private_lines
    inner join people
        on private_lines.scope = people.scope
        and private_lines.person_key = people.person_key
        and private_lines.period_grain = people.period_grain
        and private_lines.period_start = people.period_start
)

select
    people.scope,
    people.person_key,
    people.period_grain,
    people.period_start,
    scores.weighted_score,
    scores.rating,
    scores.weight_covered,
    scores.kpis_scored
from people
left join {{ weighted_scores('lines', 'true') }} as scores
    on people.subject_id = scores.subject_id
    and people.period_id = scores.period_id
