-- Grain: subject_id × period_id. The mean over departments of each department's mean review, and how many people
-- reviewed.
with monthly as (
    select * from {{ ref('int_review_months') }}
    where {{ is_needed_month('month_start') }}
),

monthly_departments as (
    select
        subject_id,
        month_start,
        reviewer_department,
        sum(score) as score,
        sum(reviews) as reviews
    from monthly
    group by subject_id, month_start, reviewer_department
),

by_department as (
    select
        subject_id,
        period_id,
        {{ exact_score(as_double('score') ~ ' / ' ~ as_double('nullif(reviews, 0)')) }} as mean_review
    from {{ roll_up_periods('monthly_departments', ['reviewer_department'], ['score', 'reviews']) }} as periods
),

means as (
    select
        subject_id,
        period_id,
        {{ as_double('sum(mean_review)') }} / nullif(count(*), 0) as score
    from by_department
    group by subject_id, period_id
),

-- How many people reviewed cannot be added up over months. In a calendar period each counts once; in trailing years, a
-- reviewer of one month counts in the twelve that hold it, up to the next month in which the same person reviewed.
-- Joining each review to its fifteen periods instead took six times as long.
reviewer_months as (
    select distinct
        subject_id,
        reviewer_id,
        month_start
    from monthly
),

calendar_reviewers as (
    select
        reviewer_months.subject_id,
        months.period_id,
        count(distinct reviewer_months.reviewer_id) as reviewers
    from reviewer_months
    inner join {{ ref('int_period_months') }} as months
        on reviewer_months.month_start = months.month_start
    where months.period_grain <> 'trailing_12m' and {{ is_affected_period('months.period_id') }}
    group by reviewer_months.subject_id, months.period_id
),

trailing_spans as (
    select
        subject_id,
        month_start as first_end,
        {{ least_of(
            months_after(12, 'month_start'),
            'coalesce(lead(month_start) over (partition by subject_id, reviewer_id order by month_start), '
            ~ end_of_time() ~ ')'
        ) }} as no_longer
    from reviewer_months
),

trailing_changes as (
    select
        subject_id,
        first_end as month_start,
        count(*) as change
    from trailing_spans
    group by subject_id, first_end

    union all

    select
        subject_id,
        no_longer as month_start,
        -count(*) as change
    from trailing_spans
    group by subject_id, no_longer
),

trailing_totals as (
    select
        subject_id,
        month_start,
        sum(change) as change
    from trailing_changes
    group by subject_id, month_start
),

trailing_levels as (
    select
        subject_id,
        month_start as first_end,
        coalesce(lead(month_start) over (partition by subject_id order by month_start), {{ end_of_time() }})
            as no_longer,
        sum(change) over (partition by subject_id order by month_start) as reviewers
    from trailing_totals
),

trailing_reviewers as (
    select
        levels.subject_id,
        periods.period_id,
        levels.reviewers
    from trailing_levels as levels
    inner join {{ ref('int_periods') }} as periods
        on periods.period_grain = 'trailing_12m'
        and levels.first_end <= periods.period_end
        and levels.no_longer > periods.period_end
    where levels.reviewers > 0 and {{ is_affected_period('periods.period_id') }}
),

reviewers_counted as (
    select * from calendar_reviewers
    union all
    select * from trailing_reviewers
)

select
    means.subject_id,
    means.period_id,
    means.score,
    cast(reviewers_counted.reviewers as bigint) as reviewers
from means
inner join reviewers_counted
    on means.subject_id = reviewers_counted.subject_id
    and means.period_id = reviewers_counted.period_id
