-- One row per combination of columns; NULL counts as a value, since the company has no staff_id. Of a model that keeps
-- rows, only those of the periods or months that were made anew are asked (`affected`: its column period_id or
-- month_start): the others were asked when they were made, and nothing has touched them since.
{% test is_unique(model, columns, affected=none) %}
{%- if affected == 'month_start' -%}
    {%- set changed = ref('int_changed_months') -%}
{%- elif affected -%}
    {%- set changed = ref('int_changed_periods') -%}
{%- endif -%}
select {{ columns | join(', ') }}
from {{ model }}
{% if affected %}where {{ affected }} in (select changed.{{ affected }} from {{ changed }} as changed){% endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
