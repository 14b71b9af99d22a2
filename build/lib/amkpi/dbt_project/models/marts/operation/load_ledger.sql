-- Grain: delivered file × extract that it was taken as.
with held as (
    select
        _delivery,
        count(*) as rows_quarantined
    from {{ source('validation', 'quarantine') }}
    group by _delivery
)

select
    ledger.file_name,
    ledger.extract,
    ledger.sha256,
    ledger.status,
    ledger.reason,
    ledger.rows_read,
    ledger.rows_read - coalesce(held.rows_quarantined, 0) as rows_loaded,
    coalesce(held.rows_quarantined, 0) as rows_quarantined,
    ledger.loaded_at,
    ledger.source,
    ledger.delivery
from {{ source('raw', 'ledger') }} as ledger
left join held
    on ledger.delivery = held._delivery
