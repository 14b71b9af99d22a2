-- Grain: review_id.
select
    review_id,
    account_manager_id,
    reviewer_id,
    reviewer_department,
    review_date,
    teamwork_score,
    project_management_score,
    scale_min,
    scale_max
from {{ source('valid', 'peer_reviews') }}
