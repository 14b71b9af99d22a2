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
    held._delivery as delivery,
    dismissed._line is not null as is_dismissed,
    held._line as delivery_row
from {{ source('validation', 'quarantine') }} as held
inner join {{ source('raw', 'ledger') }} as ledger
    on held._delivery = ledger.delivery
left join {{ source('validation', 'dismissed') }} as dismissed
    on
        held.extract = dismissed.extract
        and held._delivery = dismissed._delivery
        and held._line = dismissed._line
