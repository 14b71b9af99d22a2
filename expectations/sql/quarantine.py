"""SQL on the quarantine that two expectations share: one warns, one blocks."""

from __future__ import annotations

from amkpi.expectations.sql.ledger import RAW_ROWS
from amkpi.ingestion.contracts.native_line import native_line

# The rows behind the failures: file, line and reason. Nothing of their content.
QUARANTINED_ROWS = f"""
    select
        ledger.file_name || ' line ' || {native_line("quarantined._line")} || ' as ' || quarantined.extract || ': '
        || quarantined.reason || coalesce(' in ' || quarantined.column_name, '') as what
    from {{batch}} as quarantined
    inner join found on quarantined.extract = found.extract
    inner join raw.ledger as ledger on quarantined._delivery = ledger.delivery
"""


def extracts_with_share(condition: str) -> str:
    """SQL for the extracts whose quarantined share meets a condition on `quarantined` and `of_rows`."""
    return f"""
        with {RAW_ROWS},
        delivered as (
            select extract, sum(rows_in_raw) as of_rows from raw_rows group by extract
        ),
        shares as (
            select
                quarantine.extract,
                count(*) as quarantined,
                coalesce(any_value(delivered.of_rows), 0) as of_rows
            from {{batch}} as quarantine
            left join delivered on quarantine.extract = delivered.extract
            group by quarantine.extract
        )
        select
            extract,
            extract || ' ' || coalesce(round(100.0 * quarantined / nullif(of_rows, 0), 1), 100)
            || ' % (' || quarantined || ' of ' || of_rows || ' rows)' as what
        from shares
        where {condition}
    """
