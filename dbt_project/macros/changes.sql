-- An incremental build: a roll-up model computes the rows of the periods in `int_changed_periods` and keeps the others.
-- In a full build (--full-refresh) every period has changed.

-- Whether the model keeps its rows of other periods. A unit test has no relation that could hold any.
{% macro keeps_other_rows() %}
    {{ return(this is not none and is_incremental()) }}
{% endmacro %}

-- The condition that a period is computed by this build; true for all periods in a full build.
{% macro is_affected_period(period_id) %}
    {%- set changed = ref('int_changed_periods') -%}
    {% if keeps_other_rows() %}{{ period_id }} in (select changed.period_id from {{ changed }} as changed){% else %}true{% endif %}
{%- endmacro %}

-- A pre-hook: deletes a model's old rows of the affected periods before the new ones come.
{% macro delete_affected_periods(period_id='period_id') %}
    {% if keeps_other_rows() %}
    delete from {{ this }}
    where {{ period_id }} in (select changed.period_id from {{ ref('int_changed_periods') }} as changed)
    {% endif %}
{% endmacro %}

-- The same for models by month: they compute the months in `int_changed_months`.
{% macro is_affected_month(month_start) %}
    {%- set changed = ref('int_changed_months') -%}
    {% if keeps_other_rows() %}{{ month_start }} in (select changed.month_start from {{ changed }} as changed){% else %}true{% endif %}
{%- endmacro %}

{% macro delete_affected_months() %}
    {% if keeps_other_rows() %}
    delete from {{ this }}
    where month_start in (select changed.month_start from {{ ref('int_changed_months') }} as changed)
    {% endif %}
{% endmacro %}

-- Whether a month belongs to an affected period.
{% macro is_needed_month(month_start) %}
    {%- set changed = ref('int_changed_periods') -%}
    {%- set months = ref('int_period_months') -%}
    {% if keeps_other_rows() -%}
        {{ month_start }} in (
            select months.month_start
            from {{ months }} as months
            inner join {{ changed }} as changed
                on months.period_id = changed.period_id
        )
    {%- else %}true{% endif %}
{%- endmacro %}

-- Three numbers for the rows of a table: the count, and two that change with any row but not with the order of rows. The
-- sum is needed as well as the exclusive or, in which two equal rows cancel each other.
{% macro fingerprint(table) -%}
    count(*) as row_count,
    bit_xor({{ hash_of_row(table) }}) as hash_xor,
    sum({{ widest_integer(hash_of_row(table)) }}) as hash_sum
{%- endmacro %}
