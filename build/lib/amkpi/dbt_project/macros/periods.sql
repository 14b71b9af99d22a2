-- A number for a period, from nothing but its grain and its first day.
{% macro period_id(period_grain, period_start) -%}
    cast(
        (12 * extract(year from {{ period_start }}) + extract(month from {{ period_start }})) * 4
        + case {{ period_grain }} when 'month' then 0 when 'quarter' then 1 when 'year' then 2 else 3 end
        as integer
    )
{%- endmacro %}
