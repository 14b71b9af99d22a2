-- Grain: contract_id × event (signing, cancellation). What a contract brings on the day it is signed, and what its
-- cancellation takes back.
with contracts as (
    select
        *,
        {{ greatest_of('cancelled_date', 'signed_date') }} as taken_back_on,
        {{ days_from_to('start_date', 'end_date') }} as days_agreed
    from {{ ref('int_contracts') }}
),

cancellations as (
    select
        *,
        case
            when taken_back_on <= start_date then days_agreed
            when taken_back_on > end_date then 0
            else {{ days_from_to('taken_back_on', 'end_date') }}
        end as days_undone
    from contracts
    where cancelled_date is not null
)

select
    contract_id,
    'signing' as event,
    client_id,
    staff_id,
    kind,
    signed_date as event_date,
    {{ exact('reporting_amount') }} as amount
from contracts

union all

select
    contract_id,
    'cancellation' as event,
    client_id,
    staff_id,
    kind,
    taken_back_on as event_date,
    {{ exact('-reporting_amount * (' ~ as_double('days_undone') ~ ' / nullif(days_agreed, 0))') }} as amount
from cancellations
