-- Grain: period_grain × period_start × client_id.
with expansions as (
    select
        opening.period_grain,
        opening.period_start,
        opening.client_id,
        sum({{ exact('contracts.reporting_amount') }}) as amount,
        min(contracts.signed_date) as first_signed
    from {{ ref('int_opening_clients') }} as opening
    inner join {{ ref('int_contracts') }} as contracts
        on opening.client_id = contracts.client_id
        and contracts.signed_date between opening.period_start and opening.close_date
    where
        contracts.kind in ('upsell', 'cross_sell')
        and (contracts.cancelled_date is null or contracts.cancelled_date > opening.close_date)
    group by opening.period_grain, opening.period_start, opening.client_id
)

select
    opening.period_grain,
    opening.period_start,
    'clients' as source_extract,
    opening.client_id as source_id,
    opening.client_id,
    opening.staff_id,
    opening.opening_date as event_date,
    {{ exact('case when expansions.client_id is not null then 1 else 0 end') }} as numerator,
    {{ exact('1') }} as denominator,
    1 as sample_size,
    case when expansions.client_id is not null then 'expanded' else 'not_expanded' end as state,
    {{ as_double('expansions.amount') }} as amount,
    cast(null as date) as due_date,
    expansions.first_signed as done_date
from {{ ref('int_opening_clients') }} as opening
left join expansions
    on opening.period_grain = expansions.period_grain
    and opening.period_start = expansions.period_start
    and opening.client_id = expansions.client_id
