-- Schemas are named as the layers are, without a target's prefix: readers know `marts`, nothing else. Only a Spark server,
-- which others may use too, has a prefix for each agency.
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ var('schema_prefix', '') ~ custom_schema_name if custom_schema_name is not none else target.schema }}
{%- endmacro %}
