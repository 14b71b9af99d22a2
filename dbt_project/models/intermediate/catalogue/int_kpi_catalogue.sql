-- Grain: kpi. The catalogue in the `meta` of the KPI models, as a table.
{% for entry in kpi_catalogue() %}
{%- set no_data_reason = entry.null_reasons | list | first %}
select
    {{ entry.number }} as kpi_number,
    '{{ entry.name }}' as kpi,
    '{{ entry.unit }}' as unit,
    '{{ entry.better }}' as better,
    {{ "'" ~ no_data_reason ~ "'" if no_data_reason else "cast(null as " ~ dbt.type_string() ~ ")" }} as no_data_reason,
    '{{ entry.aggregation }}' as aggregation,
    '{{ entry.target_growth }}' as target_growth
{{ 'union all' if not loop.last }}
{% else %}
select
    0 as kpi_number,
    '' as kpi,
    '' as unit,
    '' as better,
    '' as no_data_reason,
    '' as aggregation,
    '' as target_growth
where false
{% endfor %}
