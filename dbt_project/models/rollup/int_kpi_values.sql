-- Grain: kpi_number × subject_id × period_id. Every KPI of everyone who has a row in a period.
with catalogue as (
    select
        kpi_number,
        no_data_reason,
        aggregation = 'sum' as is_sum,
        aggregation = 'mean_of_groups' as is_score
    from {{ ref('int_kpi_catalogue') }}
),

wanted as (
    select
        catalogue.*,
        people.subject_id,
        people.period_id,
        people.is_provisional
    from {{ ref('int_scope_members') }} as people
    cross join catalogue
    where {{ is_affected_period('people.period_id') }}
),

joined as (
    select
        wanted.*,
        case when wanted.is_score then reviews.score else coalesce({{ as_double('sums.numerator') }}, 0) end
            as counted_numerator,
        coalesce({{ as_double('sums.denominator') }}, 0) as counted_denominator,
        cast(coalesce(case when wanted.is_score then reviews.reviewers else sums.sample_size end, 0) as bigint)
            as counted_sample,
        cast(coalesce(sums.undecided, 0) as bigint) as undecided
    from wanted
    left join {{ ref('int_kpi_sums') }} as sums
        on wanted.kpi_number = sums.kpi_number
        and wanted.subject_id = sums.subject_id
        and wanted.period_id = sums.period_id
    left join {{ ref('int_review_scores') }} as reviews
        on wanted.is_score
        and wanted.subject_id = reviews.subject_id
        and wanted.period_id = reviews.period_id
),

-- Two looks at a running period a day apart would tell one new review.
reasoned as (
    select
        *,
        case
            when is_sum then null
            when is_score and counted_sample = 0 then no_data_reason
            when is_score and is_provisional then 'period_running'
            when is_score and counted_sample < {{ var('min_raters') }} then 'too_few_raters'
            when not is_score and counted_denominator = 0 then no_data_reason
        end as null_reason
    from joined
)

select
    kpi_number,
    subject_id,
    period_id,
    case
        when null_reason is not null then null
        when is_sum or is_score then counted_numerator
        else counted_numerator / nullif(counted_denominator, 0)
    end as value,
    case when is_score and null_reason is not null then null else counted_numerator end as numerator,
    case when is_sum or is_score then null else counted_denominator end as denominator,
    case when null_reason = 'period_running' then 0 else counted_sample end as sample_size,
    null_reason,
    undecided
from reasoned
