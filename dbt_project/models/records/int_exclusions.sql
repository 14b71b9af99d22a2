-- Grain: kpi × source record × reason, of peer reviews kpi × person × month × reason: a single review must not be told
-- apart. What a reader would look for in a period of a KPI and what does not count there. Whether a record counts is
-- decided by the KPI's model alone. This model lists the records that it leaves out, with the first reason that holds.
with not_revenue as (
    select
        'client_revenue' as kpi,
        'contracts' as source_extract,
        contract_id as source_id,
        client_id,
        staff_id,
        event_date,
        case event when 'signing' then 'kind_not_counted' else 'kind_not_counted_cancelled' end as reason,
        kind as detail,
        {{ as_double('amount') }} as amount
    from {{ ref('int_contract_money') }}
    where kind not in {{ text_list(var('revenue_kinds')) }}
),

projects as (
    select
        *,
        {{ due_date() }} as due_date,
        cancelled_date is not null and cancelled_date <= {{ as_of() }} as is_cancelled
    from {{ ref('stg_projects') }}
),

not_due as (
    select
        'on_time_delivery_rate' as kpi,
        projects.project_id,
        projects.client_id,
        projects.due_date as event_date,
        case when projects.is_cancelled then 'cancelled_by_due_date' else 'not_due_yet' end as reason,
        case when projects.is_cancelled then projects.cancelled_date end as detail
    from projects
    left join {{ ref('kpi_on_time_delivery_rate') }} as counted
        on projects.project_id = counted.source_id
    where counted.source_id is null
),

not_costed as (
    select
        'cost_to_budget_ratio' as kpi,
        projects.project_id,
        projects.client_id,
        projects.delivered_date as event_date,
        case
            when projects.is_cancelled then 'cancelled'
            when projects.budget_amount > 0 then 'no_costs'
            else 'no_budget'
        end as reason,
        case when projects.is_cancelled then projects.cancelled_date end as detail
    from projects
    left join {{ ref('kpi_cost_to_budget_ratio') }} as counted
        on projects.project_id = counted.source_id
    where counted.source_id is null and projects.delivered_date <= {{ as_of() }}
),

-- By the smallest key where several supersede one.
newer as (
    select
        supersedes_proposal_id as proposal_id,
        min(proposal_id) as newer_id
    from {{ ref('stg_proposals') }}
    where sent_date <= {{ as_of() }} and proposal_id <> supersedes_proposal_id
    group by supersedes_proposal_id
),

superseded as (
    select
        proposals.proposal_id,
        proposals.client_id,
        proposals.sent_date as event_date,
        newer.newer_id
    from {{ ref('stg_proposals') }} as proposals
    left join newer
        on proposals.proposal_id = newer.proposal_id
    left join {{ ref('kpi_contract_win_rate') }} as counted
        on proposals.proposal_id = counted.source_id
    where counted.source_id is null and proposals.sent_date <= {{ as_of() }}
),

left_over as (
    select
        kpi,
        'projects' as source_extract,
        project_id as source_id,
        client_id,
        event_date,
        reason,
        cast(detail as {{ dbt.type_string() }}) as detail
    from not_due

    union all

    select
        kpi,
        'projects' as source_extract,
        project_id as source_id,
        client_id,
        event_date,
        reason,
        cast(detail as {{ dbt.type_string() }}) as detail
    from not_costed

    union all

    select
        'contract_win_rate' as kpi,
        'proposals' as source_extract,
        proposal_id as source_id,
        client_id,
        event_date,
        'superseded' as reason,
        newer_id as detail
    from superseded
),

credited as (
    select
        left_over.kpi,
        left_over.source_extract,
        left_over.source_id,
        left_over.client_id,
        credit.staff_id,
        left_over.event_date,
        left_over.reason,
        left_over.detail
    from left_over
    left join {{ ref('int_credit') }} as credit
        on credit.source_extract in ('projects', 'proposals')
        and left_over.source_extract = credit.source_extract
        and left_over.source_id = credit.source_id
        and left_over.event_date between credit.valid_from and credit.valid_to
),

not_rated as (
    select
        'client_satisfaction' as kpi,
        'client_surveys' as source_extract,
        surveys.response_id as source_id,
        surveys.client_id,
        surveys.staff_id,
        -- Without an answer there is no day of the answer: the day on which it was asked for.
        coalesce(surveys.responded_date, surveys.sent_date) as event_date,
        case when surveys.is_answered then 'no_score' else 'not_answered' end as reason
    from {{ ref('int_surveys') }} as surveys
    left join {{ ref('kpi_client_satisfaction') }} as counted
        on surveys.response_id = counted.source_id
    where counted.source_id is null
),

not_reviewed as (
    select
        credit.staff_id,
        {{ truncate_to('month', 'reviews.review_date') }} as event_date,
        case when reviews.reviewer_id = reviews.account_manager_id then 'self_review' else 'no_score' end as reason
    from {{ ref('stg_peer_reviews') }} as reviews
    left join {{ ref('kpi_internal_collaboration_score') }} as counted
        on reviews.review_id = counted.source_id
    left join {{ ref('int_credit') }} as credit
        on credit.source_extract = 'peer_reviews'
        and reviews.review_id = credit.source_id
        and reviews.review_date between credit.valid_from and credit.valid_to
    where counted.source_id is null and reviews.review_date <= {{ as_of() }}
)

select
    kpi,
    source_extract,
    source_id,
    client_id,
    staff_id,
    event_date,
    reason,
    detail,
    amount,
    1 as records
from not_revenue

union all

select
    kpi,
    source_extract,
    source_id,
    client_id,
    staff_id,
    event_date,
    reason,
    detail,
    {{ as_double('null') }} as amount,
    1 as records
from credited

union all

select
    kpi,
    source_extract,
    source_id,
    client_id,
    staff_id,
    event_date,
    reason,
    cast(null as {{ dbt.type_string() }}) as detail,
    {{ as_double('null') }} as amount,
    1 as records
from not_rated

union all

select
    'internal_collaboration_score' as kpi,
    'peer_reviews' as source_extract,
    cast(null as {{ dbt.type_string() }}) as source_id,
    cast(null as {{ dbt.type_string() }}) as client_id,
    staff_id,
    event_date,
    reason,
    cast(null as {{ dbt.type_string() }}) as detail,
    {{ as_double('null') }} as amount,
    count(*) as records
from not_reviewed
group by staff_id, event_date, reason
