-- Grain: response_id. Each survey that was sent, as of the run's date, with its score and without its comment.
select
    surveys.response_id,
    surveys.client_id,
    details.client_name,
    asked.project_id,
    details.record_name as project_name,
    surveys.staff_id,
    coalesce(counted.state, case when surveys.is_answered then 'no_score' else 'not_answered' end) as state,
    surveys.sent_date,
    surveys.responded_date,
    {{ as_double('case when surveys.is_answered then asked.score end') }} as score,
    {{ as_double('asked.scale_min') }} as scale_min,
    {{ as_double('asked.scale_max') }} as scale_max,
    {{ as_double('100 * surveys.satisfaction') }} as satisfaction,
    details.file_name,
    details.line_number
from {{ ref('int_surveys') }} as surveys
inner join {{ ref('stg_client_surveys') }} as asked
    on surveys.response_id = asked.response_id
left join {{ ref('kpi_client_satisfaction') }} as counted
    on surveys.response_id = counted.source_id
left join {{ ref('int_record_details') }} as details
    on details.source_extract = 'client_surveys'
    and surveys.response_id = details.source_id
