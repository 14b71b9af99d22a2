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

-- The names of the KPIs that are sums of records (every aggregation but mean_of_groups) with this timing. While dbt
-- parses, it must know what a model reads. The catalogue is not available then, so the runner passes it as the variable
-- `kpis`. A test (every_kpi_arrives) says that none is missing.
{% macro kpis_of_records(timing) %}
    {% set names = [] %}
    {% for kpi in var('kpis') if kpi.timing == timing and kpi.aggregation != 'mean_of_groups' %}
        {% do names.append(kpi.name) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}

-- No rows of records, for dbt commands that build nothing (parse, lint). A build without the list would publish no value.
{% macro no_kpi_records() %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {{ exceptions.raise_compiler_error(
            "the variable kpis is empty, so no KPI would have a value. `amkpi build` sets it; for dbt by hand, pass --vars"
            " with what `python -m amkpi.transform.dbt_variables YYYY-MM-DD` prints"
        ) }}
    {% endif %}
    select cast(null as date) as month_start where false
{% endmacro %}

-- The names of the KPIs of which no single record may be seen.
{% macro private_kpis() %}
    {{ return(var('kpis') | selectattr('private') | map(attribute='name') | list) }}
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

-- A text of the catalogue as a literal; NULL where there is none.
{% macro text_or_null(text) -%}
    {{ text_literal(text) if text else "cast(null as " ~ dbt.type_string() ~ ")" }}
{%- endmacro %}
