-- The line of the file that a row came from. Where a mapping makes several rows of one native row, the second one has
-- the line plus this number, and so on (`ingestion/contracts/native_line.py`).
{% macro native_line(row_number) -%}
({{ row_number }} % 10000000000)
{%- endmacro %}
