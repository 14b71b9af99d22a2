-- Grain: response_id.
with responses as (
    select
        response_id,
        client_id,
        project_id,
        sent_date,
        responded_date,
        -- Exact, because 3.7 on a scale of 0.7 to 4.7 is 0.75, and no double says so.
        {{ exact('(score - scale_min) / nullif(scale_max - scale_min, 0)') }} as satisfaction
    from {{ ref('stg_client_surveys') }}
    where score is not null and responded_date <= {{ as_of() }}
)

select
    'client_surveys' as source_extract,
    responses.response_id as source_id,
    responses.client_id,
    coalesce(projects.owner_id, managers.account_manager_id) as staff_id,
    responses.responded_date as event_date,
    {{ exact('case when responses.satisfaction >= ' ~ exact(var('csat_threshold')) ~ ' then 1 else 0 end') }}
        as numerator,
    {{ exact('1') }} as denominator,
    1 as sample_size
from responses
left join {{ ref('stg_projects') }} as projects
    on responses.project_id = projects.project_id
left join {{ ref('int_client_managers') }} as managers
    on responses.client_id = managers.client_id
    and responses.sent_date between managers.valid_from and managers.valid_to
