-- Grain: kpi. The catalogue that stands in the `meta` of the KPI models, as a table.
{% for entry in kpi_catalogue() %}
select
    {{ entry.number }} as kpi_number,
    '{{ entry.name }}' as kpi,
    '{{ entry.unit }}' as unit,
    '{{ entry.better }}' as better,
    '{{ entry.target_growth }}' as target_growth,
    {{ "'" ~ entry.null_reason ~ "'" if entry.null_reason else "cast(null as " ~ dbt.type_string() ~ ")" }} as no_data_reason
{{ 'union all' if not loop.last }}
{% else %}
select 0 as kpi_number, '' as kpi, '' as unit, '' as better, '' as target_growth, '' as no_data_reason where false
{% endfor %}
