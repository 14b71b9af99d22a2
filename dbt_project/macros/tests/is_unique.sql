-- One row per combination of columns; NULL counts as a value, since the company has no staff_id. Of a model that keeps
-- rows, only those of the periods that were made anew are asked (`made_anew`: its column of the period): the others were
-- asked when they were made, and nothing has touched them since.
{% test is_unique(model, columns, made_anew=none) %}
{%- set changed = ref('int_changed_periods') if made_anew -%}
select {{ columns | join(', ') }}
from {{ model }}
{% if made_anew %}where {{ made_anew }} in (select changed.period_id from {{ changed }} as changed){% endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
