-- Schemas are named as the layers are, without a target's prefix: readers know `marts`, nothing else.
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name if custom_schema_name is not none else target.schema }}
{%- endmacro %}
