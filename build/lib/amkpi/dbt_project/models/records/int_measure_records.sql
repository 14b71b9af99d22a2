-- Grain: measure × record. The records of the supporting measures that are sums. Event date, credit and teams are those
-- of the KPI that a measure stands beside.
with projects as (
    select * from {{ ref('stg_projects') }}
),

due as (
    select
        records.staff_id,
        records.event_date,
        records.numerator,
        projects.delivered_date <= projects.committed_due_date as kept_commitment
    from {{ ref('kpi_on_time_delivery_rate') }} as records
    inner join projects
        on records.source_id = projects.project_id
),

delivered as (
    select
        credit.staff_id,
        projects.delivered_date as event_date,
        coalesce(projects.budget_amount, 0) > 0 as has_budget,
        costs.project_id is not null as has_costs
    from projects
    left join {{ ref('int_project_costs') }} as costs
        on projects.project_id = costs.project_id
    left join {{ ref('int_credit') }} as credit
        on credit.source_extract = 'projects'
        and projects.project_id = credit.source_id
        and projects.delivered_date between credit.valid_from and credit.valid_to
    where
        projects.delivered_date <= {{ as_of() }}
        and (projects.cancelled_date is null or projects.cancelled_date > {{ as_of() }})
),

decided as (
    select
        credit.staff_id,
        proposals.decided_date as event_date,
        proposals.outcome
    from {{ ref('int_proposals') }} as proposals
    left join {{ ref('int_credit') }} as credit
        on credit.source_extract = 'proposals'
        and proposals.proposal_id = credit.source_id
        and proposals.decided_date between credit.valid_from and credit.valid_to
    where proposals.outcome in ('won', 'lost')
),

open_proposals as (
    select
        records.staff_id,
        records.event_date
    from {{ ref('kpi_contract_win_rate') }} as records
    inner join {{ ref('int_proposals') }} as proposals
        on records.source_id = proposals.proposal_id
    where proposals.outcome = 'open'
),

records as (
    select
        'revenue_' || kind as measure,
        staff_id,
        event_date,
        amount as numerator,
        {{ exact('0') }} as denominator
    from {{ ref('int_contract_money') }}

    union all

    select
        'expansions_signed' as measure,
        staff_id,
        event_date,
        {{ exact('1') }} as numerator,
        {{ exact('0') }} as denominator
    from {{ ref('int_contract_money') }}
    where event = 'signing' and kind in ('upsell', 'cross_sell')

    union all

    select
        'projects_on_time' as measure,
        staff_id,
        event_date,
        numerator,
        {{ exact('0') }} as denominator
    from due

    union all

    select
        'on_time_vs_committed_rate' as measure,
        staff_id,
        event_date,
        {{ exact('case when kept_commitment then 1 else 0 end') }} as numerator,
        {{ exact('1') }} as denominator
    from due

    union all

    select
        'closed_win_rate' as measure,
        staff_id,
        event_date,
        {{ exact("case when outcome = 'won' then 1 else 0 end") }} as numerator,
        {{ exact('1') }} as denominator
    from decided

    union all

    select
        'proposals_open' as measure,
        staff_id,
        event_date,
        {{ exact('1') }} as numerator,
        {{ exact('0') }} as denominator
    from open_proposals

    union all

    select
        'satisfaction_mean' as measure,
        staff_id,
        responded_date as event_date,
        100 * satisfaction as numerator,
        {{ exact('1') }} as denominator
    from {{ ref('int_surveys') }}
    where satisfaction is not null

    union all

    select
        'net_promoter_score' as measure,
        staff_id,
        responded_date as event_date,
        {{ exact('case when score >= 9 then 100 when score <= 6 then -100 else 0 end') }} as numerator,
        {{ exact('1') }} as denominator
    from {{ ref('int_surveys') }}
    where satisfaction is not null and is_promoter_scale

    union all

    select
        'survey_response_rate' as measure,
        staff_id,
        sent_date as event_date,
        {{ exact('case when is_answered then 1 else 0 end') }} as numerator,
        {{ exact('1') }} as denominator
    from {{ ref('int_surveys') }}

    union all

    select
        'projects_over_budget_share' as measure,
        staff_id,
        event_date,
        {{ exact('case when numerator > denominator then 1 else 0 end') }} as numerator,
        {{ exact('1') }} as denominator
    from {{ ref('kpi_cost_to_budget_ratio') }}

    union all

    select
        case when has_budget then 'projects_without_costs' else 'projects_without_budget' end as measure,
        staff_id,
        event_date,
        {{ exact('1') }} as numerator,
        {{ exact('0') }} as denominator
    from delivered
    where not (has_budget and has_costs)
)

select
    measure,
    staff_id,
    event_date,
    {{ truncate_to('month', 'event_date') }} as month_start,
    numerator,
    denominator
from records
