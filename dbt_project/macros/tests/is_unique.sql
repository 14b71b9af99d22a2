-- One row per combination of columns; NULL counts as a value, since the company has no staff_id.
{% test is_unique(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
