-- Grain: level × code × period. The scorecard of an agency is that of its own company.
with scores as (
    select * from {{ weighted_scores(ref('int_scorecard_lines'), 'true') }} as scored
),

subjects as (
    select distinct
        subject_id,
        level,
        code
    from {{ ref('int_levels') }}
)

select
    'agency' as level,
    agency as code,
    period_grain,
    period_start,
    period_end,
    weighted_score,
    rating,
    weight_covered,
    kpis_scored,
    is_provisional
from {{ source('sources', 'agency_scorecards') }}

union all

select
    subjects.level,
    subjects.code,
    periods.period_grain,
    periods.period_start,
    periods.period_end,
    scores.weighted_score,
    scores.rating,
    scores.weight_covered,
    scores.kpis_scored,
    periods.is_provisional
from scores
inner join subjects
    on scores.subject_id = subjects.subject_id
inner join {{ ref('int_periods') }} as periods
    on scores.period_id = periods.period_id
