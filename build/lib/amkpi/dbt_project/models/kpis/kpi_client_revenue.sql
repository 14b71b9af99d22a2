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
    0 as undecided
from {{ ref('int_contract_money') }}
where kind in {{ text_list(var('revenue_kinds')) }}
