-- The KPI catalogue: the `meta.kpi` of each model in models/kpis, in the order of its number. Empty while dbt parses.
{% macro kpi_catalogue() %}
    {% set entries = [] %}
    {% if execute %}
        {% for node in graph.nodes.values() if node.resource_type == 'model' and node.config.meta.get('kpi') %}
            {% do entries.append(node.config.meta['kpi']) %}
        {% endfor %}
    {% endif %}
    {{ return(entries | sort(attribute='number')) }}
{% endmacro %}

-- The supporting measures: the `meta.measures` of the mart that holds them. Empty while dbt parses.
{% macro measure_catalogue() %}
    {% set entries = [] %}
    {% if execute %}
        {% for node in graph.nodes.values() if node.resource_type == 'model' and node.config.meta.get('measures') %}
            {% do entries.extend(node.config.meta['measures']) %}
        {% endfor %}
    {% endif %}
    {{ return(entries) }}
{% endmacro %}
