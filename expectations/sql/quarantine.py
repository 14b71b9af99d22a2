"""SQL on the quarantine that two expectations share: one warns, one blocks."""

from __future__ import annotations

from amkpi.expectations.sql.ledger import RAW_ROWS
from amkpi.ingestion.contracts.native_line import native_line

# A join that leaves out the rows which a person has set aside.
NOT_DISMISSED = (
    "anti join validation.dismissed as dismissed on quarantine.extract = dismissed.extract"
    " and quarantine._delivery = dismissed._delivery and quarantine._line = dismissed._line"
)

# The rows behind the failures: file, line and reason. Nothing of their content.
QUARANTINED_ROWS = f"""
    select
        ledger.file_name || ' line ' || {native_line("quarantine._line")} || ' as ' || quarantine.extract || ': '
        || quarantine.reason || coalesce(' in ' || quarantine.column_name, '') as what
    from {{batch}} as quarantine
    {NOT_DISMISSED}
    inner join found on quarantine.extract = found.extract
    inner join raw.ledger as ledger on quarantine._delivery = ledger.delivery
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
            {NOT_DISMISSED}
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
