-- Grain: subject_id × close_date. How many projects that run on the day have cost more than their budget by it.
-- By month, because a period closes on the last day of one, or on as_of.
with spent as (
    select
        project_id,
        {{ least_of(days_after(-1, months_after(1, 'month_start')), as_of()) }} as closed_on,
        cost
    from {{ ref('int_project_month_costs') }}
),

-- A credit note can bring a project back under its budget: what is spent holds until the next cost.
running as (
    select
        project_id,
        closed_on as valid_from,
        coalesce(
            {{ days_after(-1, 'lead(closed_on) over (partition by project_id order by closed_on)') }},
            {{ end_of_time() }}
        ) as valid_to,
        sum(cost) over (partition by project_id order by closed_on) as cost
    from spent
),

projects as (
    select
        projects.project_id,
        projects.start_date,
        {{ exact('projects.budget_amount * rates.rate') }} as budget,
        -- The last day on which it runs; what ends after as_of has not ended.
        {{ days_after(-1, least_of(
            "case when projects.delivered_date <= " ~ as_of() ~ " then projects.delivered_date
                else " ~ end_of_time() ~ " end",
            "case when projects.cancelled_date <= " ~ as_of() ~ " then projects.cancelled_date
                else " ~ end_of_time() ~ " end"
        )) }} as last_day
    from {{ ref('stg_projects') }} as projects
    left join {{ ref('int_fx_history') }} as rates
        on projects.currency = rates.currency
        and projects.start_date between rates.valid_from and rates.valid_to
    where projects.budget_amount > 0
),

closes as (
    select distinct close_date from {{ ref('int_periods') }}
),

over_budget as (
    select
        closes.close_date,
        closes.close_date as event_date,
        credit.staff_id,
        1 as projects
    from projects
    inner join running
        on projects.project_id = running.project_id
        and projects.budget < running.cost
    inner join closes
        on closes.close_date between running.valid_from and running.valid_to
        and closes.close_date between projects.start_date and projects.last_day
    left join {{ ref('int_credit') }} as credit
        on credit.source_extract = 'projects'
        and projects.project_id = credit.source_id
        and closes.close_date between credit.valid_from and credit.valid_to
)

select
    subject_id,
    close_date,
    projects
from {{ over_scopes('over_budget', ['close_date'], ['projects']) }} as scoped
