-- One row per combination of columns; NULL counts as a value, since the company has no staff_id. Of a model that keeps
-- rows, only those of the periods or months that were made anew are asked (`made_anew`: its column period_id or
-- month_start): the others were asked when they were made, and nothing has touched them since.
{% test is_unique(model, columns, made_anew=none) %}
{%- if made_anew == 'month_start' -%}
    {%- set changed = ref('int_changed_months') -%}
{%- elif made_anew -%}
    {%- set changed = ref('int_changed_periods') -%}
{%- endif -%}
select {{ columns | join(', ') }}
from {{ model }}
{% if made_anew %}where {{ made_anew }} in (select changed.{{ made_anew }} from {{ changed }} as changed){% endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
