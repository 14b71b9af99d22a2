-- Grain: currency × valid_from. The rate that holds from one quotation until the next; the reporting currency counts 1.
with quoted as (
    select
        currency,
        rate_date as valid_from,
        coalesce(
            {{ days_after(-1, 'lead(rate_date) over (partition by currency order by rate_date)') }},
            {{ end_of_time() }}
        ) as valid_to,
        rate
    from {{ ref('stg_fx_rates') }}
    where currency <> '{{ var("reporting_currency") }}'
)

select * from quoted
union all
select
    '{{ var("reporting_currency") }}' as currency,
    {{ beginning_of_time() }} as valid_from,
    {{ end_of_time() }} as valid_to,
    1.0 as rate
