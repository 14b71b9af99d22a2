-- Grain: delivered file × extract that it was taken as.
with held as (
    select
        _delivery,
        count(*) as rows_quarantined,
        count(case when is_settled then 1 end) as rows_settled
    from {{ source('validation', 'held_back') }}
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
    ledger.delivery,
    ledger.rows_skipped_above,
    ledger.rows_skipped_footer,
    ledger.rows_skipped_filtered,
    ledger.cells_cleaned,
    ledger.saved_zeros,
    ledger.rows_repeated,
    ledger.keys_undecided,
    ledger.rows_deleted,
    coalesce(held.rows_settled, 0) as rows_settled,
    ledger.mapping_sha256,
    ledger.notes
from {{ source('raw', 'ledger') }} as ledger
left join held
    on ledger.delivery = held._delivery
