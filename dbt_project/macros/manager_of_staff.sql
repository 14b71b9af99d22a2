-- The manager of a row of `stg_staff`. The only person of an agency who is said to manage themselves has nobody over
-- them; the audit warns of it. With a second person, this is a loop in the chain of managers, and blocks publication.
{% macro manager_of_staff() -%}
case
    when manager_id = staff_id and (select count(distinct staff_id) from {{ ref('stg_staff') }}) = 1 then null
    else manager_id
end
{%- endmacro %}
