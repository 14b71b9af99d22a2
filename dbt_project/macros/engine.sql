-- What differs between engines, each in one place, so that a second engine can build the shared models. The macros of
-- this file that dispatch have DuckDB's way here and Spark's in engine_spark.sql; the others are the same in both.

-- Money and scores are summed as exact decimals: a sum must not depend on the order in which an engine adds, or the
-- same inputs would not give the same rows. Twelve places keep a relative error far below 1e-9.
{% macro exact(expression) -%} cast({{ expression }} as decimal(38, 12)) {%- endmacro %}

-- Scores lie within 0–100: eighteen places keep all that a double holds, so that differences of means stay exact.
{% macro exact_score(expression) -%} cast({{ expression }} as decimal(38, 18)) {%- endmacro %}

-- A weight by days may be a small part of the one delivered, and no decimal at all: a covered weight of exactly 0.7 must
-- not become a little less.
{% macro exact_weight(expression) -%} cast({{ expression }} as decimal(38, 18)) {%- endmacro %}

-- Doubles added smallest first, for what may be of any size: targets and weights by days. Exact decimals would lose the
-- small ones and overflow on the large ones.
{% macro sum_in_order(expression) -%} {{ adapter.dispatch('sum_in_order', 'amkpi')(expression) }} {%- endmacro %}
{% macro default__sum_in_order(expression) -%} list_sum(list_sort(list({{ expression }}))) {%- endmacro %}

-- The values of a group as one list; dbt's listagg gives a text, in which an id may hold any separator.
{% macro list_in_order(expression, order_by) -%}
    {{ adapter.dispatch('list_in_order', 'amkpi')(expression, order_by) }}
{%- endmacro %}
{% macro default__list_in_order(expression, order_by) -%} list({{ expression }} order by {{ order_by }}) {%- endmacro %}
{% macro no_texts() -%} {{ adapter.dispatch('no_texts', 'amkpi')() }} {%- endmacro %}
{% macro default__no_texts() -%} cast(null as varchar[]) {%- endmacro %}

-- The texts of a group as one text. dbt's listagg ignores the order on Spark.
{% macro joined_in_order(expression, separator, order_by) -%}
    {{ adapter.dispatch('joined_in_order', 'amkpi')(expression, separator, order_by) }}
{%- endmacro %}
{% macro default__joined_in_order(expression, separator, order_by) -%}
    {{ dbt.listagg(expression, "'" ~ separator ~ "'", "order by " ~ order_by) }}
{%- endmacro %}

-- The largest and smallest of some expressions. NULL is passed over; some engines would give NULL.
{% macro greatest_of() -%} {{ adapter.dispatch('greatest_of', 'amkpi')(*varargs) }} {%- endmacro %}
{% macro default__greatest_of() -%} greatest({{ varargs | join(', ') }}) {%- endmacro %}
{% macro least_of() -%} {{ adapter.dispatch('least_of', 'amkpi')(*varargs) }} {%- endmacro %}
{% macro default__least_of() -%} least({{ varargs | join(', ') }}) {%- endmacro %}

-- A hash of some columns, and one of whole rows of a table: whole numbers that are not negative. Each engine has its own
-- hash; a build compares only those of its own engine.
{% macro hash_of(columns) -%} {{ adapter.dispatch('hash_of', 'amkpi')(columns) }} {%- endmacro %}
{% macro default__hash_of(columns) -%} hash({{ columns | join(', ') }}) {%- endmacro %}
{% macro hash_of_row(table) -%} {{ adapter.dispatch('hash_of_row', 'amkpi')(table) }} {%- endmacro %}
{% macro default__hash_of_row(table) -%} hash({{ table }}) {%- endmacro %}

-- A whole number of which a sum does not overflow.
{% macro widest_integer(expression) -%} {{ adapter.dispatch('widest_integer', 'amkpi')(expression) }} {%- endmacro %}
{% macro default__widest_integer(expression) -%} cast({{ expression }} as hugeint) {%- endmacro %}

-- A text of the project as a literal.
{% macro text_literal(text) -%} {{ adapter.dispatch('text_literal', 'amkpi')(text) }} {%- endmacro %}
{% macro default__text_literal(text) -%} '{{ text | replace("'", "''") }}' {%- endmacro %}

-- Not dbt.type_float: in DuckDB that has 24 bits, seven digits.
{% macro as_double(expression) -%} cast({{ expression }} as double) {%- endmacro %}

{% macro as_of() -%} cast('{{ var("as_of") }}' as date) {%- endmacro %}

{% macro day(text) -%} cast('{{ text }}' as date) {%- endmacro %}

-- The days before the first and after the last that any record can have.
{% macro beginning_of_time() -%} cast('0001-01-01' as date) {%- endmacro %}
{% macro end_of_time() -%} cast('9999-12-31' as date) {%- endmacro %}

-- Of a date. dbt's own macros go by moments, and on Spark by those of a time zone.
{% macro days_after(days, from_date) -%} {{ adapter.dispatch('days_after', 'amkpi')(days, from_date) }} {%- endmacro %}
{% macro default__days_after(days, from_date) -%}
    cast({{ dbt.dateadd('day', days, from_date) }} as date)
{%- endmacro %}
{% macro months_after(months, from_date) -%}
    {{ adapter.dispatch('months_after', 'amkpi')(months, from_date) }}
{%- endmacro %}
{% macro default__months_after(months, from_date) -%}
    cast({{ dbt.dateadd('month', months, from_date) }} as date)
{%- endmacro %}
{% macro truncate_to(part, date) -%} {{ adapter.dispatch('truncate_to', 'amkpi')(part, date) }} {%- endmacro %}
{% macro default__truncate_to(part, date) -%} cast({{ dbt.date_trunc(part, date) }} as date) {%- endmacro %}

-- A part of a date by ISO 8601, as DuckDB and PostgreSQL name it: isoyear, week, or isodow (1 is Monday).
{% macro iso_part(part, date) -%} {{ adapter.dispatch('iso_part', 'amkpi')(part, date) }} {%- endmacro %}
{% macro default__iso_part(part, date) -%} cast(extract({{ part }} from {{ date }}) as bigint) {%- endmacro %}

{% macro days_between(first_date, last_date) -%}
    {{ adapter.dispatch('days_between', 'amkpi')(first_date, last_date) }}
{%- endmacro %}
{% macro default__days_between(first_date, last_date) -%}
    {{ dbt.datediff(first_date, last_date, 'day') }}
{%- endmacro %}

-- Both ends counted.
{% macro days_from_to(first_date, last_date) -%} ({{ days_between(first_date, last_date) }} + 1) {%- endmacro %}

-- Half to even, as the specification asks where it does not say half up. Of a decimal, because the double next to
-- 0.6421232875 is a little less, and would not be a half. Bounded, because a tiny target makes a huge quotient; and
-- least and greatest pass over NULL.
{% macro round_to_even(expression, places) -%}
    case when {{ expression }} is not null then
        cast({{ half_to_even(
            'cast(' ~ least_of(greatest_of(expression, '-1e12'), '1e12') ~ ' as decimal(38, 13))', places
        ) }} as double)
    end
{%- endmacro %}
{% macro half_to_even(decimal, places) -%} {{ adapter.dispatch('half_to_even', 'amkpi')(decimal, places) }} {%- endmacro %}
{% macro default__half_to_even(decimal, places) -%} round_even({{ decimal }}, {{ places }}) {%- endmacro %}

-- Half up to one place, in decimals: 79.95 is a B although no double is 79.95.
{% macro round_half_up_to_one(expression) -%}
    floor(cast({{ expression }} as decimal(18, 9)) * 10 + 0.5) / 10
{%- endmacro %}

{% macro text_list(values) -%} ({% for value in values %}{{ text_literal(value) }}{{ ", " if not loop.last }}{% endfor %}) {%- endmacro %}
