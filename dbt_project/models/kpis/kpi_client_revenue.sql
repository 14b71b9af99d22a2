-- Grain: contract × event (signing, cancellation).
select
    'contracts' as source_extract,
    contract_id as source_id,
    client_id,
    staff_id,
    event_date,
    amount as numerator,
    {{ exact('null') }} as denominator,
    case event when 'signing' then 1 else 0 end as sample_size,
    0 as undecided,
    case event when 'signing' then 'signed' else 'cancelled' end as state,
    {{ as_double('amount') }} as amount,
    cast(null as date) as due_date,
    event_date as done_date
from {{ ref('int_contract_money') }}
where kind in {{ text_list(var('revenue_kinds')) }}
