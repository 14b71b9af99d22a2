"""SQL on the load ledger that several expectations share."""

from __future__ import annotations

from amkpi.expectations.context import AuditContext
from amkpi.ingestion.contracts.extracts import EXTRACTS

# A common table expression: raw_rows(extract, delivery, rows_in_raw).
RAW_ROWS = "raw_rows as (\n{}\n)".format(
    "\nunion all\n".join(
        f"select '{name}' as extract, _delivery as delivery, count(*) as rows_in_raw from raw.{name} group by _delivery"
        for name in EXTRACTS
    )
)

# Whether each extract was ever loaded: arrivals(family, extract, has_arrived). `{batch}` is the ledger.
ARRIVALS = f"""
    with declared (family, extract) as (
        values {", ".join(f"('{extract.family}', '{extract.name}')" for extract in EXTRACTS.values())}
    ),
    loaded as (
        select distinct extract from {{batch}} where status = 'loaded'
    ),
    arrivals as (
        select declared.family, declared.extract, loaded.extract is not null as has_arrived
        from declared
        left join loaded on declared.extract = loaded.extract
    )
"""


def is_new(context: AuditContext) -> str:
    """SQL that is true for the load runs that no audit has checked yet, and for the newest run in any case."""
    before_newest = "(select max(run) - 1 from raw.ledger)"
    return f"run > {before_newest if context.seen_run is None else f'least({context.seen_run}, {before_newest})'}"
