-- A bound of the 95% Wilson score interval of `hits` in `trials`. Source: E. B. Wilson, JASA 22 (1927), 209–212.
{% macro wilson(hits, trials, sign) -%}
{%- set z = 1.959963984540054 -%}
{%- set p = '(' ~ hits ~ ' / nullif(' ~ trials ~ ', 0))' -%}
{%- set bound -%}
    ({{ p }} + {{ z * z / 2 }} / {{ trials }} {{ sign }} {{ z }} * sqrt(
        {{ greatest_of(p ~ ' * (1 - ' ~ p ~ ')', '0') }} / {{ trials }} + {{ z * z / 4 }} / ({{ trials }} * {{ trials }})
    )) / (1 + {{ z * z }} / {{ trials }})
{%- endset -%}
case when {{ trials }} > 0 then
    -- Within 0–1 but for the last bit of a double.
    {{ least_of(greatest_of(bound, '0'), '1') }}
end
{%- endmacro %}
