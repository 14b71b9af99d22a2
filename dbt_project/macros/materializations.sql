-- How DuckDB builds a model: in one statement. The materializations of dbt-duckdb build a copy under another name, rename
-- both tables and drop the old one; each of these steps cost more than a small model, and a build took twice as long.
-- DuckDB replaces a table or view at once, or not at all. Other engines use their own materializations.
-- No model of this project has indexes, grants, comments in the database, hooks outside a transaction or Python code.

{% materialization view, adapter='duckdb' %}
    {% set target = this.incorporate(type='view') %}
    {% do drop_if_of_another_type(target) %}
    {% if config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(sql) }}
    {% endif %}
    {% call statement('main', auto_begin=False) %}
        create or replace view {{ target }} as (
            {{ sql }}
        )
    {% endcall %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{% materialization table, adapter='duckdb' %}
    {% set target = this.incorporate(type='table') %}
    {% do drop_if_of_another_type(target) %}
    {% do create_or_replace_table(target) %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


-- The hook deletes the rows of the periods or months that the model computes again; the model inserts them.
{% materialization incremental, adapter='duckdb' %}
    {% set target = this.incorporate(type='table') %}
    {% set existing = drop_if_of_another_type(target) %}
    {% if existing is none or should_full_refresh() %}
        {% do create_or_replace_table(target) %}
    {% else %}
        {% if config.get('contract').enforced %}
            {{ get_assert_columns_equivalent(sql) }}
        {% endif %}
        {{ run_hooks(pre_hooks, inside_transaction=True) }}
        {% call statement('main') %}
            insert into {{ target }} by name (
                {{ sql }}
            )
        {% endcall %}
        {{ adapter.commit() }}
    {% endif %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


-- The relation that the target replaces, or none. A table in the place of a view is dropped first, and the reverse.
{% macro drop_if_of_another_type(target) %}
    {% set existing = load_cached_relation(target) %}
    {% if existing is not none and existing.type != target.type %}
        {% do adapter.drop_relation(existing) %}
        {% do adapter.commit() %}
        {{ return(none) }}
    {% endif %}
    {{ return(existing) }}
{% endmacro %}


-- With a contract the types of the columns are those of the yml, so the table is created before its rows.
{% macro create_or_replace_table(target) %}
    {% if var('rows_from', none) %}
        {% do create_table_of_built_rows(target) %}
    {% elif config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(sql) }}
        {% call statement('main') %}
            create or replace table {{ target }}
            {{ get_table_columns_and_constraints() }};
            insert into {{ target }} {{ get_column_names() }} (
                {{ get_select_subquery(sql) }}
            )
        {% endcall %}
        {{ adapter.commit() }}
    {% else %}
        {% call statement('main', auto_begin=False) %}
            create or replace table {{ target }} as (
                {{ sql }}
            )
        {% endcall %}
    {% endif %}
{% endmacro %}


-- The same table with the rows that another engine has built (`rows_from`: the folder of its Parquet files). The query
-- gives the types; it is not run. Rows of periods are in their order, as a build on DuckDB leaves them: who asks for one
-- period reads a part of the file.
{% macro create_table_of_built_rows(target) %}
    {% if config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(sql) }}
    {% endif %}
    {% call statement('types') %}
        create or replace table {{ target }} as (
            {{ sql }}
        ) with no data
    {% endcall %}
    {% set names = adapter.get_columns_in_relation(target) | map(attribute='name') | list %}
    {% set order = ['period_id', 'subject_id'] if 'period_id' in names and 'subject_id' in names else [] %}
    {% call statement('main') %}
        insert into {{ target }}
        from read_parquet({{ text_literal(var('rows_from') ~ '/' ~ this.schema ~ '/' ~ this.identifier ~ '/*.parquet') }})
        {{ 'order by ' ~ order | join(', ') if order }}
    {% endcall %}
    {{ adapter.commit() }}
{% endmacro %}
