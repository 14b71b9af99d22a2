-- Grain: delivered file × extract that it was taken as.
with held as (
    select
        held_back._delivery,
        count(*) as rows_quarantined,
        count(case when held_back.is_settled then 1 end) as rows_settled,
        count(case when not held_back.is_settled and dismissed._line is not null then 1 end) as rows_dismissed
    from {{ source('validation', 'held_back') }} as held_back
    left join {{ source('validation', 'dismissed') }} as dismissed
        on
            held_back.extract = dismissed.extract
            and held_back._delivery = dismissed._delivery
            and held_back._line = dismissed._line
    group by held_back._delivery
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
    coalesce(held.rows_dismissed, 0) as rows_dismissed,
    ledger.mapping_sha256,
    ledger.notes
from {{ source('raw', 'ledger') }} as ledger
left join held
    on ledger.delivery = held._delivery
