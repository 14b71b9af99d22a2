-- One row per combination of columns, of all rows. `is_unique` is the same test for the nightly build, which asks only the
-- rows that it made; this one is for the tests of the project, as `unique` and `not_null` are.
{% test unique_combination(model, columns) %}
{{ test_is_unique(model, columns) }}
{% endtest %}
