-- Grain: kpi × scope × person_key × period_grain × period_start. Every KPI of everyone who has a row in a period.
with wanted as (
    select
        catalogue.kpi,
        catalogue.unit,
        catalogue.better,
        catalogue.no_data_reason,
        people.*
    from {{ ref('int_scope_people') }} as people
    cross join {{ ref('int_kpi_catalogue') }} as catalogue
),

joined as (
    select
        wanted.*,
        case when wanted.kpi = 'internal_collaboration_score' then reviews.score
            else coalesce({{ as_double('sums.numerator') }}, 0)
        end as counted_numerator,
        coalesce({{ as_double('sums.denominator') }}, 0) as counted_denominator,
        coalesce(
            case when wanted.kpi = 'internal_collaboration_score' then reviews.reviewers else sums.sample_size end, 0
        ) as sample_size
    from wanted
    left join {{ ref('int_kpi_sums') }} as sums
        on wanted.kpi = sums.kpi
        and wanted.scope = sums.scope
        and wanted.person_key = sums.person_key
        and wanted.period_grain = sums.period_grain
        and wanted.period_start = sums.period_start
    left join {{ ref('int_review_scores') }} as reviews
        on wanted.kpi = 'internal_collaboration_score'
        and wanted.scope = reviews.scope
        and wanted.person_key = reviews.person_key
        and wanted.period_grain = reviews.period_grain
        and wanted.period_start = reviews.period_start
),

final as (
    select
        kpi,
        scope,
        person_key,
        period_grain,
        period_start,
        period_end,
        close_date,
        previous_start,
        is_provisional,
        role,
        unit,
        better,
        case
            when kpi = 'client_revenue' then counted_numerator
            when kpi = 'internal_collaboration_score' and sample_size < {{ var('min_raters') }} then null
            when kpi = 'internal_collaboration_score' then counted_numerator
            else counted_numerator / nullif(counted_denominator, 0)
        end as value,
        case
            when kpi = 'internal_collaboration_score' and sample_size < {{ var('min_raters') }} then null
            else counted_numerator
        end as numerator,
        case when kpi in ('client_revenue', 'internal_collaboration_score') then null else counted_denominator end
            as denominator,
        sample_size,
        case
            when kpi = 'client_revenue' then null
            when kpi = 'internal_collaboration_score' and sample_size = 0 then no_data_reason
            when kpi = 'internal_collaboration_score' and sample_size < {{ var('min_raters') }} then 'too_few_raters'
            when kpi <> 'internal_collaboration_score' and counted_denominator = 0 then no_data_reason
        end as null_reason
    from joined
)

select * from final
