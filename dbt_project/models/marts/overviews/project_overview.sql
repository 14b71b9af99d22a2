-- Grain: project_id. Each project as of the run's date.
select
    projects.project_id,
    details.record_name as project_name,
    projects.client_id,
    details.client_name,
    projects.staff_id,
    projects.state,
    projects.start_date,
    projects.committed_due_date,
    projects.due_date,
    projects.done_date,
    projects.days_late,
    {{ as_double('projects.budget') }} as budget,
    {{ as_double('projects.cost') }} as cost,
    {{ as_double('projects.over_budget') }} as over_budget,
    projects.contract_id,
    details.file_name,
    details.line_number
from {{ ref('int_projects') }} as projects
left join {{ ref('int_record_details') }} as details
    on details.source_extract = 'projects'
    and projects.project_id = details.source_id
