-- How far values meet their targets. `relation` has kpi_number, subject_id, period_id, value, previous_value,
-- is_lower_better, target and weight; gives them without is_lower_better, with attainment and status.
{% macro met_targets(relation) %}
(
    with met as (
        select
            *,
            case
                when value is null or target is null then null
                when is_lower_better then {{ round_to_even('2 - value / nullif(target, 0)', 9) }}
                else {{ round_to_even('value / nullif(target, 0)', 9) }}
            end as raw_attainment
        from {{ relation }}
    ),

    final as (
        select
            kpi_number,
            subject_id,
            period_id,
            value,
            target,
            case
                when raw_attainment is null then null
                when raw_attainment < 0 or raw_attainment < {{ var('attainment_floor') }} then 0
                else {{ least_of('raw_attainment', as_double(var('attainment_cap'))) }}
            end as attainment,
            weight,
            previous_value
        from met
    )

    select
        *,
        case
            when value is null then 'no_data'
            when attainment is null then 'no_target'
            when attainment >= 1 then 'on_target'
            when attainment >= {{ as_double('0.9') }} then 'at_risk'
            else 'off_target'
        end as status
    from final
)
{% endmacro %}

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
