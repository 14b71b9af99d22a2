-- Grain: scope × person × period.
with totals as (
    select
        scope,
        person_key,
        period_grain,
        period_start,
        period_end,
        is_provisional,
        {{ as_double('sum(' ~ exact('case when attainment is not null then weight * attainment end') ~ ')') }}
            as attained_weight,
        {{ as_double('sum(' ~ exact('case when attainment is not null then weight end') ~ ')') }} as scored_weight,
        {{ as_double('sum(' ~ exact('case when target > 0 then weight end') ~ ')') }} as targeted_weight,
        count(attainment) as kpis_scored
    from {{ ref('int_scorecard_lines') }}
    group by scope, person_key, period_grain, period_start, period_end, is_provisional
),

scored as (
    select
        *,
        100 * attained_weight / nullif(scored_weight, 0) as weighted_score,
        coalesce(scored_weight, 0) / nullif(targeted_weight, 0) as weight_covered
    from totals
),

rounded as (
    select
        *,
        {{ round_half_up_to_one(round_to_even('weighted_score', 9)) }} as shown_score
    from scored
)

select
    scope,
    nullif(person_key, '') as staff_id,
    period_grain,
    period_start,
    period_end,
    weighted_score,
    case
        when weighted_score is null or {{ exact('weight_covered') }} < {{ exact(var('min_weight_covered')) }} then null
        {% for band in var('rating_bands') | sort(attribute='at_least', reverse=true) %}
        {% if not loop.last %}when shown_score >= {{ band.at_least }} then{% else %}else{% endif %} '{{ band.rating }}'
        {% endfor %}
    end as rating,
    weight_covered,
    cast(kpis_scored as bigint) as kpis_scored,
    is_provisional
from rounded
