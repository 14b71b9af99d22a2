-- Grain: scope × person × period.
with totals as (
    select
        subject_id,
        period_id,
        {{ as_double('sum(' ~ exact_weight('case when attainment is not null then weight * attainment end') ~ ')') }}
            as attained_weight,
        {{ as_double('sum(' ~ exact_weight('case when attainment is not null then weight end') ~ ')') }}
            as scored_weight,
        {{ as_double('sum(' ~ exact_weight('weight') ~ ')') }} as targeted_weight,
        count(attainment) as kpis_scored
    from {{ ref('int_scorecard_lines') }}
    where {{ is_affected_period('period_id') }}
    group by subject_id, period_id
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
    people.scope,
    nullif(people.person_key, '') as staff_id,
    people.period_grain,
    people.period_start,
    people.period_end,
    rounded.weighted_score,
    case
        when rounded.weighted_score is null then null
        when {{ exact('rounded.weight_covered') }} < {{ exact(var('min_weight_covered')) }} then null
        {% for band in var('rating_bands') | sort(attribute='at_least', reverse=true) %}
        {% if not loop.last %}when rounded.shown_score >= {{ band.at_least }} then{% else %}else{% endif %}
            '{{ band.rating }}'
        {% endfor %}
    end as rating,
    rounded.weight_covered,
    cast(rounded.kpis_scored as bigint) as kpis_scored,
    people.is_provisional
from rounded
inner join {{ ref('int_scope_members') }} as people
    on rounded.subject_id = people.subject_id
    and rounded.period_id = people.period_id
