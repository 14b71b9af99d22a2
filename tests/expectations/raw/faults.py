"""Faults of the deliveries: expectation, what it observes, and the statements that plant the fault."""

from __future__ import annotations

INTO_LEDGER = (
    "insert into raw.ledger"
    " (delivery, run, file_name, extract, source, sha256, bytes, status, reason, rows_read, loaded_at, settled)"
)
A_QUARANTINED_ROW = (
    "insert into validation.held_back"
    " (extract, _delivery, _line, reason, column_name, raw_row, keeps_older_row)"
    " select '{0}', _delivery, _line, 'bad_type', null, null, false from raw.{0} limit 1"
)
A_REJECTED_FILE = (
    f"{INTO_LEDGER} select 99, max(run), 'contracts/broken.csv', 'contracts', null, 'ab', 3, 'rejected',"
    " 'not readable', 0, max(loaded_at), true from raw.ledger"
)
A_LOADED_FILE = (
    f"{INTO_LEDGER} select 100, max(run) + 1, 'contracts/empty.csv', 'contracts', null, 'cd', 3, 'loaded',"
    " null, 0, max(loaded_at), true from raw.ledger"
)

BLOCKING_FAULTS: list[tuple[str, str, list[str]]] = [
    (
        "every_row_read_is_in_raw",
        "1 file: clients/clients.csv as clients read 2, in raw 1",
        ["delete from raw.clients where client_id = 'C2'"],
    ),
    (
        "every_row_read_is_in_raw",
        "1 file: delivery 77, not in the ledger, as clients read 0, in raw 1",
        ["insert into raw.clients select * replace (77 as _delivery) from raw.clients limit 1"],
    ),
    (
        "few_enough_rows_are_quarantined",
        "1 extract: contracts 33.3 % (1 of 3 rows)",
        [A_QUARANTINED_ROW.format("contracts")],
    ),
]
WARNING_FAULTS: list[tuple[str, str, list[str]]] = [
    (
        "hardly_any_rows_are_quarantined",
        "1 extract: staff 20.0 % (1 of 5 rows)",
        [A_QUARANTINED_ROW.format("staff")],
    ),
    (
        "no_file_has_different_rows_of_a_key",
        "1 file: staff/staff.csv as staff (2 keys)",
        ["update raw.ledger set keys_undecided = 2, notes = 'S1 (lines 2, 3)' where file_name = 'staff/staff.csv'"],
    ),
    (
        "no_file_was_rejected_in_the_last_run",
        "1 file: contracts/broken.csv",
        [A_REJECTED_FILE],
    ),
    (
        "every_family_was_delivered",
        "1 family: survey",
        ["update raw.ledger set status = 'duplicate' where extract in ('client_surveys', 'peer_reviews')"],
    ),
    (
        "every_extract_of_a_delivered_family_was_delivered",
        "1 extract: fx_rates",
        ["update raw.ledger set status = 'duplicate' where extract = 'fx_rates'"],
    ),
    (
        "no_clock_is_ahead",
        "1 file: contracts/contracts.csv as contracts (2 rows)",
        ["update parsed.contracts set _from_future = true where contract_id in ('K1', 'K2')"],
    ),
    (
        "no_family_has_gone_stale",
        "1 family: project, last rows 2026-03-12, 8 days ago (7 allowed)",
        ["update raw.ledger set loaded_at = loaded_at - interval 8 day where extract in ('projects', 'project_costs')"],
    ),
]
