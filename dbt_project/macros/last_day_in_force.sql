-- The last day on which a contract is in force. It lies before start_date where the contract never was.
{% macro last_day_in_force() -%}
{{ least_of('end_date', 'coalesce(' ~ days_after(-1, 'cancelled_date') ~ ', end_date)') }}
{%- endmacro %}
