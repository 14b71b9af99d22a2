-- The weighted score and rating of scorecard lines. `lines` has subject_id, period_id, target, attainment and weight;
-- `condition` says which of its rows. Gives subject_id, period_id, weighted_score, rating, weight_covered, kpis_scored.
{% macro weighted_scores(lines, condition) %}
(
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
        from {{ lines }}
        where {{ condition }}
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
        subject_id,
        period_id,
        weighted_score,
        case
            when weighted_score is null then null
            when {{ exact('weight_covered') }} < {{ exact(var('min_weight_covered')) }} then null
            {% for band in var('rating_bands') | sort(attribute='at_least', reverse=true) %}
            {% if not loop.last %}when shown_score >= {{ band.at_least }} then{% else %}else{% endif %}
                '{{ band.rating }}'
            {% endfor %}
        end as rating,
        weight_covered,
        cast(kpis_scored as bigint) as kpis_scored
    from rounded
)
{% endmacro %}
