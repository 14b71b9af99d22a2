-- Grain: subject_id × month_start × reviewer_department × reviewer_id. The reviews of a month: what they add up to, and
-- how many they are.
with reviews as (
    select
        staff_id,
        event_date,
        {{ truncate_to('month', 'event_date') }} as month_start,
        reviewer_department,
        reviewer_id,
        score,
        1 as reviews
    from {{ ref('kpi_internal_collaboration_score') }}
    where {{ is_affected_month(truncate_to('month', 'event_date')) }}
)

select *
from {{ over_scopes('reviews', ['month_start', 'reviewer_department', 'reviewer_id'], ['score', 'reviews']) }} as scoped
