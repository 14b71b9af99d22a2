-- Grain: review_id. A review is the mean of its one or two scores, each on 0–100.
with scores as (
    select
        review_id,
        reviewer_id,
        reviewer_department,
        review_date,
        100 * (teamwork_score - scale_min) / nullif(scale_max - scale_min, 0) as teamwork,
        100 * (project_management_score - scale_min) / nullif(scale_max - scale_min, 0) as project_management
    from {{ ref('stg_peer_reviews') }}
    where review_date <= {{ as_of() }} and reviewer_id <> account_manager_id
),

rated as (
    select
        *,
        {{ exact_score('(coalesce(teamwork, project_management) + coalesce(project_management, teamwork)) / 2') }}
            as score
    from scores
    where teamwork is not null or project_management is not null
)

select
    'peer_reviews' as source_extract,
    rated.review_id as source_id,
    credit.staff_id,
    rated.reviewer_id,
    rated.reviewer_department,
    rated.review_date as event_date,
    rated.score
from rated
left join {{ ref('int_credit') }} as credit
    on credit.source_extract = 'peer_reviews'
    and rated.review_id = credit.source_id
    and rated.review_date between credit.valid_from and credit.valid_to
