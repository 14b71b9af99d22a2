-- Grain: row held back now.
select
    held.extract,
    ledger.file_name,
    {{ native_line('held._line') }} as line_number,
    held.reason,
    held.column_name,
    held.raw_row,
    ledger.loaded_at as first_seen_at,
    held.keeps_older_row,
    held._delivery as delivery
from {{ source('validation', 'quarantine') }} as held
inner join {{ source('raw', 'ledger') }} as ledger
    on held._delivery = ledger.delivery
