-- Grain: scope × person × period.
with scores as (
    select * from {{ weighted_scores(ref('int_scorecard_lines'), is_affected_period('period_id')) }} as scored
)

select
    people.scope,
    nullif(people.person_key, '') as staff_id,
    people.period_grain,
    people.period_start,
    people.period_end,
    scores.weighted_score,
    scores.rating,
    scores.weight_covered,
    scores.kpis_scored,
    people.is_provisional,
    false as is_closed
from scores
inner join {{ ref('int_scope_members') }} as people
    on scores.subject_id = people.subject_id
    and scores.period_id = people.period_id
