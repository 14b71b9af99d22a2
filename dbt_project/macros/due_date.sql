-- The day by which a project was promised. A date that was agreed after the committed date does not count.
{% macro due_date() -%}
case
    when agreed_due_date is not null and (agreed_on is null or agreed_on <= committed_due_date)
        then agreed_due_date
    else committed_due_date
end
{%- endmacro %}
