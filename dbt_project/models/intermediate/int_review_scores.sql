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
    select
        scope,
        person_key,
        month_start,
        reviewer_department,
        reviewer_id,
        score,
        reviews
    from {{ over_scopes(
        'reviews', ['month_start', 'reviewer_department', 'reviewer_id'], ['score', 'reviews']
    ) }} as scoped
),

monthly_departments as (
    select
        scope,
        person_key,
        month_start,
        reviewer_department,
        sum(score) as score,
        sum(reviews) as reviews
    from monthly
    group by scope, person_key, month_start, reviewer_department
),

by_department as (
    select
        scope,
        person_key,
        period_grain,
        period_start,
        {{ exact_score(as_double('score') ~ ' / ' ~ as_double('nullif(reviews, 0)')) }} as mean_review
    from {{ over_periods('monthly_departments', ['reviewer_department'], ['score', 'reviews']) }} as periods
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

-- How many people reviewed cannot be added up over months. In a calendar period each counts once; in trailing years, a
-- reviewer of one month counts in the twelve that hold it, up to the next month in which the same person reviewed.
-- Joining each review to its fifteen periods instead took six times as long.
reviewer_months as (
    select distinct
        scope,
        person_key,
        reviewer_id,
        month_start
    from monthly
),

calendar_reviewers as (
    {% for grain in ['month', 'quarter', 'year'] %}
    select
        scope,
        person_key,
        '{{ grain }}' as period_grain,
        {{ first_of(grain, 'month_start') }} as period_start,
        count(distinct reviewer_id) as reviewers
    from reviewer_months
    group by scope, person_key, {{ first_of(grain, 'month_start') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

trailing_spans as (
    select
        scope,
        person_key,
        month_start as first_end,
        least(
            {{ months_after(12, 'month_start') }},
            coalesce(
                lead(month_start) over (partition by scope, person_key, reviewer_id order by month_start),
                {{ end_of_time() }}
            )
        ) as no_longer
    from reviewer_months
),

trailing_changes as (
    select
        scope,
        person_key,
        first_end as month_start,
        count(*) as change
    from trailing_spans
    group by scope, person_key, first_end

    union all

    select
        scope,
        person_key,
        no_longer as month_start,
        -count(*) as change
    from trailing_spans
    group by scope, person_key, no_longer
),

trailing_totals as (
    select
        scope,
        person_key,
        month_start,
        sum(change) as change
    from trailing_changes
    group by scope, person_key, month_start
),

trailing_levels as (
    select
        scope,
        person_key,
        month_start as first_end,
        coalesce(
            lead(month_start) over (partition by scope, person_key order by month_start), {{ end_of_time() }}
        ) as no_longer,
        sum(change) over (partition by scope, person_key order by month_start) as reviewers
    from trailing_totals
),

trailing_reviewers as (
    select
        levels.scope,
        levels.person_key,
        periods.period_grain,
        periods.period_start,
        levels.reviewers
    from trailing_levels as levels
    inner join {{ ref('int_periods') }} as periods
        on periods.period_grain = 'trailing_12m'
        and levels.first_end <= periods.period_end
        and levels.no_longer > periods.period_end
    where levels.reviewers > 0
),

reviewers as (
    select * from calendar_reviewers
    union all
    select * from trailing_reviewers
)

select
    means.scope,
    means.person_key,
    means.period_grain,
    means.period_start,
    means.score,
    cast(reviewers.reviewers as bigint) as reviewers
from means
inner join reviewers
    on means.scope = reviewers.scope
    and means.person_key = reviewers.person_key
    and means.period_grain = reviewers.period_grain
    and means.period_start = reviewers.period_start
