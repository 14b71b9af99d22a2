-- Of quotations: the rate that holds from one until the next; the reporting currency counts 1.
{% macro fx_history(quotations) -%}
select
    currency,
    rate_date as valid_from,
    coalesce(
        {{ days_after(-1, 'lead(rate_date) over (partition by currency order by rate_date)') }},
        {{ end_of_time() }}
    ) as valid_to,
    rate
from {{ quotations }}
where currency <> '{{ var("reporting_currency") }}'

union all

select
    '{{ var("reporting_currency") }}' as currency,
    {{ beginning_of_time() }} as valid_from,
    {{ end_of_time() }} as valid_to,
    {{ as_double('1') }} as rate
{%- endmacro %}
