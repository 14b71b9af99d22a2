"""What is asked of the rows that were let in."""

from __future__ import annotations

from amkpi.settings import Settings
from expectations.declaring import Expected, NoRows, Suite
from ingestion.extracts import EXTRACTS

# Rows of `raw` by extract and delivery: raw_rows(extract, delivery, rows_in_raw).
_RAW_ROWS = "raw_rows as (\n{}\n)".format(
    "\nunion all\n".join(
        f"select '{name}' as extract, _delivery as delivery, count(*) as rows_in_raw from raw.{name} group by _delivery"
        for name in EXTRACTS
    )
)

# The share of each extract that is held back: shares(extract, held, of_rows).
_SHARES = f"""
    with {_RAW_ROWS},
    delivered as (
        select extract, sum(rows_in_raw) as of_rows from raw_rows group by extract
    ),
    shares as (
        select held.extract, count(*) as held, coalesce(any_value(delivered.of_rows), 0) as of_rows
        from {{batch}} as held
        left join delivered on held.extract = delivered.extract
        group by held.extract
    )
"""
_SHARE_IN_WORDS = (
    "extract || ' ' || coalesce(round(100.0 * held / nullif(of_rows, 0), 1), 100)"
    " || ' % (' || held || ' of ' || of_rows || ' rows)'"
)

# Which extracts have ever been loaded: arrivals(family, extract, has_come).
_ARRIVALS = f"""
    with declared (family, extract) as (
        values {", ".join(f"('{extract.family}', '{extract.name}')" for extract in EXTRACTS.values())}
    ),
    loaded as (
        select distinct extract from {{batch}} where status = 'loaded'
    ),
    arrivals as (
        select declared.family, declared.extract, loaded.extract is not null as has_come
        from declared
        left join loaded on declared.extract = loaded.extract
    )
"""

_CLOCKS_AHEAD = "\nunion all\n".join(
    f"select _delivery as delivery from typed.{name} where _clock_ahead" for name in EXTRACTS
)


def raw_suite(settings: Settings) -> Suite:
    """The expectations of the border `raw`, with the agency's limits."""
    return Suite(
        "raw",
        (
            Expected(
                name="few_enough_rows_are_quarantined",
                table="judged.quarantine",
                rule=NoRows(
                    f"{_SHARES} select {_SHARE_IN_WORDS} as what from shares"
                    f" where held > {settings.max_quarantined_share} * of_rows",
                    one="extract",
                    many="extracts",
                ),
                severity="blocking",
                advice=(
                    "Look at marts.quarantined_rows for the reason that is most frequent. Most often one cause lies"
                    " behind it: a reference that was not delivered, or a changed format of the export. Have the"
                    " extract delivered again, or raise max_quarantined_share if the rows are rightly held back."
                ),
            ),
            Expected(
                name="hardly_any_rows_are_quarantined",
                table="judged.quarantine",
                rule=NoRows(
                    f"{_SHARES} select {_SHARE_IN_WORDS} as what from shares"
                    f" where held >= {settings.warn_quarantined_share} * of_rows",
                    one="extract",
                    many="extracts",
                ),
                severity="warning",
                advice=(
                    "The rest is published. marts.quarantined_rows names each row, its file, line and reason: have"
                    " them corrected at the source. Missing references and rates release their rows by themselves."
                ),
            ),
            Expected(
                name="every_row_read_is_in_raw",
                table="raw.ledger",
                column="rows_read",
                rule=NoRows(
                    f"""
                    with {_RAW_ROWS}
                    select
                        coalesce(ledger.file_name, 'delivery ' || raw_rows.delivery || ', not in the ledger,')
                        || ' as ' || coalesce(ledger.extract, raw_rows.extract, 'nothing')
                        || ' read ' || coalesce(ledger.rows_read, 0)
                        || ', in raw ' || coalesce(raw_rows.rows_in_raw, 0) as what
                    from {{batch}} as ledger
                    full join raw_rows on ledger.delivery = raw_rows.delivery and ledger.extract = raw_rows.extract
                    where ledger.rows_read is distinct from coalesce(raw_rows.rows_in_raw, 0)
                    """,
                    one="file",
                    many="files",
                ),
                severity="blocking",
                advice=(
                    "The warehouse lost rows or was changed by hand. Run `amkpi rebuild`: it loads every delivery anew"
                    " from archive/."
                ),
            ),
            Expected(
                name="no_file_was_rejected_in_the_last_run",
                table="raw.ledger",
                column="status",
                rule=NoRows(
                    """
                    select distinct file_name as what
                    from {batch}
                    where status = 'rejected' and run = (select max(run) from {batch})
                    """,
                    one="file",
                    many="files",
                ),
                severity="warning",
                advice=(
                    "Nothing of these files is in the figures. The .reason.json beside the file in rejected/ says what"
                    " to mend; then put it into LANDING again."
                ),
            ),
            Expected(
                name="every_family_was_delivered",
                table="raw.ledger",
                column="extract",
                rule=NoRows(
                    f"{_ARRIVALS} select family as what from arrivals group by family having not bool_or(has_come)",
                    one="family",
                    many="families",
                ),
                severity="warning",
                advice=(
                    "The KPIs of this family have no data. That is fine for an agency that starts with a part;"
                    " otherwise set up the export, or a source mapping for it."
                ),
            ),
            Expected(
                name="every_extract_of_a_delivered_family_was_delivered",
                table="raw.ledger",
                column="extract",
                rule=NoRows(
                    f"""
                    {_ARRIVALS}
                    select extract as what
                    from arrivals
                    where not has_come and family in (select family from arrivals where has_come)
                    """,
                    one="extract",
                    many="extracts",
                ),
                severity="warning",
                advice=(
                    "What rests on this extract has no data, and references into it are not judged. Set up its export,"
                    " or a source mapping for it."
                ),
            ),
            Expected(
                name="no_clock_is_ahead",
                table="raw.ledger",
                column="updated_at",
                rule=NoRows(
                    f"""
                    select ledger.file_name || ' as ' || ledger.extract || ' (' || count(*) || ' rows)' as what
                    from {{batch}} as ledger
                    inner join ({_CLOCKS_AHEAD}) as ahead on ledger.delivery = ahead.delivery
                    group by ledger.delivery, ledger.file_name, ledger.extract
                    """,
                    one="file",
                    many="files",
                ),
                severity="warning",
                advice=(
                    "These rows say that they were changed more than a day after they were loaded; the moment of the"
                    " load counts instead. Have the clock or the time zone of the exporting system set right."
                ),
            ),
        ),
    )
