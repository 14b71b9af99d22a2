-- Grain: scope × person_key × period_grain × period_start. The mean over departments of each department's mean review,
-- and how many people reviewed.
with reviews as (
    select
        staff_id,
        event_date,
        {{ first_of('month', 'event_date') }} as month_start,
        reviewer_department,
        reviewer_id,
        score,
        1 as reviews
    from {{ ref('kpi_internal_collaboration_score') }}
),

monthly as (
    select *
    from {{ over_scopes(
        'reviews', ['month_start', 'reviewer_department', 'reviewer_id'], ['score', 'reviews']
    ) }} as scoped
),

by_reviewer as (
    select
        monthly.scope,
        monthly.person_key,
        months.period_grain,
        months.period_start,
        monthly.reviewer_department,
        monthly.reviewer_id,
        sum(monthly.score) as score,
        sum(monthly.reviews) as reviews
    from monthly
    inner join {{ ref('int_period_months') }} as months
        on monthly.month_start = months.month_start
    group by
        monthly.scope, monthly.person_key, months.period_grain, months.period_start,
        monthly.reviewer_department, monthly.reviewer_id
),

by_department as (
    select
        scope,
        person_key,
        period_grain,
        period_start,
        {{ exact_score(as_double('sum(score)') ~ ' / ' ~ as_double('nullif(sum(reviews), 0)')) }} as mean_review
    from by_reviewer
    group by scope, person_key, period_grain, period_start, reviewer_department
),

means as (
    select
        scope,
        person_key,
        period_grain,
        period_start,
        {{ as_double('sum(mean_review)') }} / nullif(count(*), 0) as score
    from by_department
    group by scope, person_key, period_grain, period_start
),

reviewers as (
    select
        scope,
        person_key,
        period_grain,
        period_start,
        count(distinct reviewer_id) as reviewers
    from by_reviewer
    group by scope, person_key, period_grain, period_start
)

select
    means.scope,
    means.person_key,
    means.period_grain,
    means.period_start,
    means.score,
    reviewers.reviewers
from means
inner join reviewers
    on means.scope = reviewers.scope
    and means.person_key = reviewers.person_key
    and means.period_grain = reviewers.period_grain
    and means.period_start = reviewers.period_start
