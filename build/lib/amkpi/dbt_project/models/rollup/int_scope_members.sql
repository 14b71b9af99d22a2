-- Grain: subject_id × period_id. Who has a row in a period: account staff and whoever has the credit for a record
-- (own), whoever had active account staff under them (team), the company. In the order of the periods, which the values
-- and lines made of it keep: who asks for one period reads a part of the file.
with periods as (
    select * from {{ ref('int_periods') }}
    where {{ is_affected_period('period_id') }}
),

subjects as (
    select * from {{ ref('int_subjects') }}
),

counted as (
    select
        spans.subject_id,
        periods.period_id
    from periods
    inner join {{ ref('int_counted_spans') }} as spans
        on periods.close_date >= spans.first_day
        and periods.period_start <= spans.last_day
),

credited as (
    select
        sums.subject_id,
        sums.period_id
    from {{ ref('int_kpi_sums') }} as sums
    inner join subjects
        on sums.subject_id = subjects.subject_id
    where subjects.scope = 'own'
),

reviewed as (
    select
        reviews.subject_id,
        reviews.period_id
    from {{ ref('int_review_scores') }} as reviews
    inner join subjects
        on reviews.subject_id = subjects.subject_id
    where subjects.scope = 'own'
),

companies as (
    select
        subjects.subject_id,
        periods.period_id
    from periods
    cross join subjects
    where subjects.scope = 'company'
),

people as (
    select * from counted
    union
    select * from credited
    union
    select * from reviewed
    union
    select * from companies
)

select
    people.subject_id,
    people.period_id,
    subjects.scope,
    subjects.person_key,
    periods.period_grain,
    periods.period_start,
    periods.period_end,
    periods.close_date,
    periods.is_provisional
from people
inner join subjects
    on people.subject_id = subjects.subject_id
inner join periods
    on people.period_id = periods.period_id
order by people.period_id, people.subject_id
