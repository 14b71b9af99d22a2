-- A build that takes only what is new: a roll-up model makes the rows of the periods in `int_changed_periods` anew and
-- keeps the others. A build from nothing (--full-refresh) finds every period changed.

-- Whether the model's rows of other periods are kept. A unit test has no relation that could hold any.
{% macro keeps_the_rest() %}
    {{ return(this is not none and is_incremental()) }}
{% endmacro %}

-- The condition that a period is to be made anew; true for all where the model is made from nothing.
{% macro to_be_made(period_id) %}
    {%- set changed = ref('int_changed_periods') -%}
    {% if keeps_the_rest() %}{{ period_id }} in (select changed.period_id from {{ changed }} as changed){% else %}true{% endif %}
{%- endmacro %}

-- Before a model's new rows come: its old rows of those periods go.
{% macro forget_changed(period_id='period_id') %}
    {% if keeps_the_rest() %}
    delete from {{ this }}
    where {{ period_id }} in (select changed.period_id from {{ ref('int_changed_periods') }} as changed)
    {% endif %}
{% endmacro %}

-- The same for models that hold months, and make anew those in `int_changed_months`.
{% macro month_to_be_made(month_start) %}
    {%- set changed = ref('int_changed_months') -%}
    {% if keeps_the_rest() %}{{ month_start }} in (select changed.month_start from {{ changed }} as changed){% else %}true{% endif %}
{%- endmacro %}

{% macro forget_changed_months() %}
    {% if keeps_the_rest() %}
    delete from {{ this }}
    where month_start in (select changed.month_start from {{ ref('int_changed_months') }} as changed)
    {% endif %}
{% endmacro %}

-- Whether a month belongs to a period that is to be made anew.
{% macro month_is_needed(month_start) %}
    {%- set changed = ref('int_changed_periods') -%}
    {%- set months = ref('int_period_months') -%}
    {% if keeps_the_rest() -%}
        {{ month_start }} in (
            select months.month_start
            from {{ months }} as months
            inner join {{ changed }} as changed
                on months.period_id = changed.period_id
        )
    {%- else %}true{% endif %}
{%- endmacro %}

-- Three numbers for the rows of a table: how many, and two that any other rows make others, whatever their order. The sum
-- is beside the exclusive or because two equal rows take each other out of that.
{% macro fingerprint(table) -%}
    count(*) as row_count,
    bit_xor(hash({{ table }})) as hash_xor,
    sum(cast(hash({{ table }}) as hugeint)) as hash_sum
{%- endmacro %}
