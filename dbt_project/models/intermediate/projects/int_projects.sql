-- Grain: project_id. Each project as of the run's date: when it was due and done, its state, and its money in the
-- reporting currency. `staff_id`: who has the credit on the due
-- date. If that day is still to come: who would have it today.
with projects as (
    select
        project_id,
        client_id,
        contract_id,
        project_name,
        start_date,
        committed_due_date,
        {{ due_date() }} as due_date,
        delivered_date,
        cancelled_date,
        budget_amount,
        currency
    from {{ ref('stg_projects') }}
),

stated as (
    select
        *,
        {{ project_state() }} as state
    from projects
),

done as (
    select
        *,
        {{ project_done_date() }} as done_date
    from stated
),

valued as (
    select
        done.project_id,
        done.client_id,
        done.contract_id,
        done.project_name,
        credit.staff_id,
        done.start_date,
        done.committed_due_date,
        done.due_date,
        done.done_date,
        done.state,
        -- A project that was cancelled after its due date was late until then.
        case
            when
                done.state in ('delivered_late', 'overdue')
                or (done.state = 'cancelled' and done.done_date > done.due_date)
                then {{ days_between('done.due_date', 'coalesce(done.done_date, ' ~ as_of() ~ ')') }}
        end as days_late,
        {{ exact('case when done.budget_amount > 0 then done.budget_amount * rates.rate end') }} as budget,
        costs.cost
    from done
    left join {{ ref('int_fx_history') }} as rates
        on done.currency = rates.currency
        and done.start_date between rates.valid_from and rates.valid_to
    left join {{ ref('int_project_costs') }} as costs
        on done.project_id = costs.project_id
    left join {{ ref('int_credit') }} as credit
        on credit.source_extract = 'projects'
        and done.project_id = credit.source_id
        and {{ least_of('done.due_date', as_of()) }} between credit.valid_from and credit.valid_to
)

select
    *,
    case when cost > budget then cost - budget end as over_budget
from valued
