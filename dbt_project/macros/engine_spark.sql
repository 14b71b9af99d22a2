-- Spark's ways of what engine.sql dispatches. What the session must be like is in amkpi/transform/spark.

-- Plain, as DuckDB adds a list. A group without a number has no sum.
{% macro spark__sum_in_order(expression) -%}
    case when count({{ expression }}) > 0 then
        aggregate(array_sort(collect_list({{ expression }})), cast(0 as double), (total, item) -> total + item)
    end
{%- endmacro %}

{% macro spark__list_in_order(expression, order_by) -%}
    transform(
        array_sort(collect_list(struct({{ order_by }} as place, {{ expression }} as item))), pair -> pair.item
    )
{%- endmacro %}
{% macro spark__no_texts() -%} cast(null as array<string>) {%- endmacro %}
{% macro spark__joined_in_order(expression, separator, order_by) -%}
    array_join({{ spark__list_in_order(expression, order_by) }}, '{{ separator }}')
{%- endmacro %}

-- Without the sign, because the fingerprints are whole numbers from 0 on in the warehouse.
{% macro spark__hash_of(columns) -%} (xxhash64({{ columns | join(', ') }}) & 9223372036854775807) {%- endmacro %}
{% macro spark__hash_of_row(table) -%} (xxhash64(struct({{ table }}.*)) & 9223372036854775807) {%- endmacro %}
{% macro spark__widest_integer(expression) -%} cast({{ expression }} as decimal(38, 0)) {%- endmacro %}

-- A backslash in a literal begins an escape.
{% macro spark__text_literal(text) -%} '{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}' {%- endmacro %}

{% macro spark__days_after(days, from_date) -%} date_add({{ from_date }}, {{ days }}) {%- endmacro %}
{% macro spark__months_after(months, from_date) -%} add_months({{ from_date }}, {{ months }}) {%- endmacro %}
{% macro spark__truncate_to(part, date) -%} trunc({{ date }}, '{{ part }}') {%- endmacro %}
{% macro spark__days_between(first_date, last_date) -%}
    cast(datediff({{ last_date }}, {{ first_date }}) as bigint)
{%- endmacro %}
{% macro spark__iso_part(part, date) -%}
    cast(extract({{ {'isoyear': 'yearofweek', 'week': 'week', 'isodow': 'dayofweek_iso'}[part] }} from {{ date }}) as bigint)
{%- endmacro %}

{% macro spark__half_to_even(decimal, places) -%} bround({{ decimal }}, {{ places }}) {%- endmacro %}

-- The contracts name DuckDB's types.
{% macro spark__get_empty_schema_sql(columns) %}
    {% set types = {'varchar': 'string', 'varchar[]': 'array<string>', 'timestamptz': 'timestamp'} %}
    {% set of_spark = {} %}
    {% for name, column in columns.items() %}
        {% do of_spark.update({name: dict(column, data_type=types.get(column['data_type'], column['data_type']))}) %}
    {% endfor %}
    {{ return(default__get_empty_schema_sql(of_spark)) }}
{% endmacro %}
