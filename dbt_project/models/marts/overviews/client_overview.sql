-- Grain: client_id. Each client as of the run's date, also one that only its contracts, projects, proposals or surveys
-- name. The last twelve months end with the run's date.
with contracts as (
    select * from {{ ref('int_contract_states') }}
),

projects as (
    select * from {{ ref('int_projects') }}
),

proposals as (
    select * from {{ ref('kpi_contract_win_rate') }}
),

surveys as (
    select * from {{ ref('int_surveys') }}
),

clients as (
    select client_id from {{ ref('stg_clients') }}
    union
    select client_id from contracts
    union
    select client_id from projects
    union
    select client_id from proposals
    union
    select client_id from surveys
),

of_contracts as (
    select
        client_id,
        max(case when last_day >= start_date then last_day end) as contract_end,
        min(renewal_due) as renewal_due,
        count(case when state = 'running' then 1 end) as running_contracts,
        sum(case when state = 'running' then {{ exact('reporting_amount') }} end) as running_amount
    from contracts
    group by client_id
),

of_revenue as (
    select
        client_id,
        sum(numerator) as revenue
    from {{ ref('kpi_client_revenue') }}
    where event_date > {{ months_after(-12, as_of()) }}
    group by client_id
),

of_proposals as (
    select
        client_id,
        count(*) as open_proposals,
        sum({{ exact('amount') }}) as open_proposals_amount
    from proposals
    where state = 'open'
    group by client_id
),

of_projects as (
    select
        client_id,
        count(case when state in ('open', 'overdue') then 1 end) as open_projects,
        count(case when state = 'overdue' then 1 end) as projects_overdue,
        count(case when state in ('open', 'overdue') and over_budget is not null then 1 end) as open_over_budget
    from projects
    group by client_id
),

of_due_projects as (
    select
        client_id,
        count(*) as projects_due,
        count(case when numerator = 0 then 1 end) as projects_late
    from {{ ref('kpi_on_time_delivery_rate') }}
    where event_date > {{ months_after(-12, as_of()) }}
    group by client_id
),

last_answers as (
    select
        client_id,
        max(responded_date) as responded_date
    from surveys
    where satisfaction is not null
    group by client_id
),

-- Several answers of one day count as their mean.
of_surveys as (
    select
        last_answers.client_id,
        last_answers.responded_date,
        100 * sum(surveys.satisfaction) / nullif(count(*), 0) as satisfaction
    from last_answers
    inner join surveys
        on last_answers.client_id = surveys.client_id
        and last_answers.responded_date = surveys.responded_date
    where surveys.satisfaction is not null
    group by last_answers.client_id, last_answers.responded_date
)

select
    clients.client_id,
    named.client_name,
    managers.account_manager_id as manager_id,
    named.industry,
    active.client_id is not null as is_active,
    of_contracts.contract_end,
    of_contracts.renewal_due,
    coalesce(of_contracts.running_contracts, 0) as running_contracts,
    {{ as_double('coalesce(of_contracts.running_amount, 0)') }} as running_amount,
    {{ as_double('coalesce(of_revenue.revenue, 0)') }} as revenue_12m,
    of_surveys.responded_date as last_survey_date,
    {{ as_double('of_surveys.satisfaction') }} as last_survey_satisfaction,
    coalesce(of_proposals.open_proposals, 0) as open_proposals,
    {{ as_double('coalesce(of_proposals.open_proposals_amount, 0)') }} as open_proposals_amount,
    coalesce(of_projects.open_projects, 0) as open_projects,
    coalesce(of_projects.projects_overdue, 0) as projects_overdue,
    coalesce(of_projects.open_over_budget, 0) as open_projects_over_budget,
    coalesce(of_due_projects.projects_due, 0) as projects_due_12m,
    coalesce(of_due_projects.projects_late, 0) as projects_late_12m
from clients
left join {{ ref('stg_clients') }} as named
    on clients.client_id = named.client_id
left join {{ ref('int_client_managers') }} as managers
    on clients.client_id = managers.client_id
    and {{ as_of() }} between managers.valid_from and managers.valid_to
left join {{ ref('int_active_clients') }} as active
    on clients.client_id = active.client_id
    and active.day = {{ as_of() }}
left join of_contracts
    on clients.client_id = of_contracts.client_id
left join of_revenue
    on clients.client_id = of_revenue.client_id
left join of_proposals
    on clients.client_id = of_proposals.client_id
left join of_projects
    on clients.client_id = of_projects.client_id
left join of_due_projects
    on clients.client_id = of_due_projects.client_id
left join of_surveys
    on clients.client_id = of_surveys.client_id
