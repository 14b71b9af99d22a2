-- The day by which a project was promised. A new date counts only if it was agreed on or before the committed date, or
-- if nobody recorded when.
{% macro due_date() -%}
case
    when agreed_due_date is not null and (agreed_on is null or agreed_on <= committed_due_date)
        then agreed_due_date
    else committed_due_date
end
{%- endmacro %}
