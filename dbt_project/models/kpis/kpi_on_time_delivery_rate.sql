-- Grain: project_id.
with projects as (
    select
        *,
        {{ due_date() }} as due_date
    from {{ ref('stg_projects') }}
),

due as (
    select
        *,
        {{ project_state() }} as state
    from projects
    where due_date <= {{ as_of() }} and (cancelled_date is null or cancelled_date > due_date)
)

select
    'projects' as source_extract,
    due.project_id as source_id,
    due.client_id,
    credit.staff_id,
    due.due_date as event_date,
    {{ exact('case when due.delivered_date <= due.due_date then 1 else 0 end') }} as numerator,
    {{ exact('1') }} as denominator,
    1 as sample_size,
    0 as undecided,
    due.state,
    {{ as_double('null') }} as amount,
    due.due_date,
    {{ project_done_date('due.state') }} as done_date
from due
left join {{ ref('int_credit') }} as credit
    on credit.source_extract = 'projects'
    and due.project_id = credit.source_id
    and due.due_date between credit.valid_from and credit.valid_to
