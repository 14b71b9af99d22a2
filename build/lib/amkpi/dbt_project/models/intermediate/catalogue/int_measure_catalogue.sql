-- Grain: measure. The catalogue that stands in the `meta` of the mart `supporting_measures`, as a table.
{% for entry in measure_catalogue() %}
select
    {{ loop.index }} as measure_number,
    '{{ entry.name }}' as measure,
    '{{ entry.unit }}' as unit,
    {{ entry.get('is_quotient', false) }} as is_quotient
{{ 'union all' if not loop.last }}
{% else %}
select 0 as measure_number, '' as measure, '' as unit, false as is_quotient where false
{% endfor %}
