"""What is asked of the rows that were let in."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from amkpi.core.settings import Settings
from amkpi.expectations.context import Occasion
from amkpi.expectations.declaration import Expected, NoRows, Suite
from amkpi.ingestion.contracts.extracts import EXTRACTS

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

# The rows held back of the extracts in question: where they stand and why, nothing of what they hold.
_ROWS_HELD = """
    select
        ledger.file_name || ' line ' || held._line || ' as ' || held.extract || ': ' || held.reason
        || coalesce(' in ' || held.column_name, '') as what
    from {batch} as held
    inner join found on held.extract = found.extract
    inner join raw.ledger as ledger on held._delivery = ledger.delivery
"""

# What a private row says is not even told of its clock.
_CLOCKS_AHEAD = "\nunion all\n".join(
    f"""
    select
        ahead._delivery as delivery,
        ahead._line as line,
        {"null" if extract.private_rows else "came.updated_at"} as said
    from parsed.{name} as ahead
    inner join raw.{name} as came on ahead._delivery = came._delivery and ahead._line = came._line
    where ahead._from_future
    """
    for name, extract in EXTRACTS.items()
)


def _is_new(occasion: Occasion) -> str:
    """SQL that is true for the runs of the ledger that no audit judged before; at least for the newest one."""
    before_newest = "(select max(run) - 1 from raw.ledger)"
    return f"run > {before_newest if occasion.seen_run is None else f'least({occasion.seen_run}, {before_newest})'}"


def _unusual_volumes(settings: Settings, occasion: Occasion) -> str:
    """Each new load against the median of the thirty before it, by extract and the mapping that it came through."""
    return f"""
        with loads as (
            select extract, source, run, sum(rows_read) as came
            from {{batch}}
            where status = 'loaded'
            group by extract, source, run
        ),
        compared as (
            select
                *,
                count(*) over earlier as earlier_loads,
                median(came) over earlier as usual
            from loads
            window earlier as (
                partition by extract, source order by run rows between 30 preceding and 1 preceding
            )
        )
        select
            extract || coalesce(' by ' || source, '') || ' ' || came || ' rows in run ' || run
            || ', usually ' || cast(round(usual) as bigint) as what
        from compared
        where {_is_new(occasion)}
            and earlier_loads >= {settings.audit.volume_min_loads}
            and greatest(came, usual) >= {settings.audit.volume_min_rows}
            and (came * {settings.audit.volume_factor} <= usual or came >= usual * {settings.audit.volume_factor})
    """


def _stale_families(settings: Settings, occasion: Occasion) -> str:
    zone = ZoneInfo(settings.timezone)
    allowed = settings.audit.stale_days
    return f"""
        with declared (family, extract, allowed) as (
            values {", ".join(f"('{e.family}', '{e.name}', {allowed[e.family]})" for e in EXTRACTS.values())}
        ),
        newest as (
            select
                declared.family,
                declared.allowed,
                max(cast(timezone('{zone.key}', ledger.loaded_at) as date)) as last_day
            from {{batch}} as ledger
            inner join declared on ledger.extract = declared.extract
            where ledger.status = 'loaded' and ledger.rows_read > 0
            group by declared.family, declared.allowed
        ),
        aged as (
            select *, date '{occasion.moment.astimezone(zone).date()}' - last_day as days from newest
        )
        select family || ', last rows ' || last_day || ', ' || days || ' days ago (' || allowed || ' allowed)' as what
        from aged
        where days > allowed
    """


def raw_suite(settings: Settings, occasion: Occasion) -> Suite:
    """The expectations of the border `raw`, with the agency's limits."""
    return Suite(
        "raw",
        (
            Expected(
                name="few_enough_rows_are_quarantined",
                table="validation.quarantine",
                rule=NoRows(
                    f"{_SHARES} select extract, {_SHARE_IN_WORDS} as what from shares"
                    f" where held > {settings.audit.max_quarantined_share} * of_rows",
                    one="extract",
                    many="extracts",
                    rows=_ROWS_HELD,
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
                table="validation.quarantine",
                rule=NoRows(
                    f"{_SHARES} select extract, {_SHARE_IN_WORDS} as what from shares"
                    f" where held >= {settings.audit.warn_quarantined_share} * of_rows",
                    one="extract",
                    many="extracts",
                    rows=_ROWS_HELD,
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
                    f"""
                    select distinct file_name as what
                    from {{batch}}
                    where status = 'rejected' and {_is_new(occasion)}
                    """,
                    one="file",
                    many="files",
                    rows=f"""
                        select distinct file_name || ', ' || coalesce(reason, 'no reason kept') as what
                        from {{batch}}
                        where status = 'rejected' and {_is_new(occasion)}
                    """,
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
                    select
                        ledger.file_name || ' as ' || ledger.extract || ' (' || count(*)
                            || case when count(*) = 1 then ' row)' else ' rows)' end as what,
                        ledger.delivery
                    from {{batch}} as ledger
                    inner join ({_CLOCKS_AHEAD}) as ahead on ledger.delivery = ahead.delivery
                    where {_is_new(occasion)}
                    group by ledger.delivery, ledger.file_name, ledger.extract
                    """,
                    one="file",
                    many="files",
                    rows=f"""
                        select
                            ledger.file_name || ' line ' || ahead.line || ' as ' || ledger.extract
                            || coalesce(', updated_at ' || ahead.said, '') as what
                        from {{batch}} as ledger
                        inner join found on ledger.delivery = found.delivery
                        inner join ({_CLOCKS_AHEAD}) as ahead on ledger.delivery = ahead.delivery
                    """,
                ),
                severity="warning",
                advice=(
                    "These rows of the last run say that they were changed more than a day after they were loaded; the"
                    " moment of the load counts instead. Have the clock or the time zone of the exporting system set"
                    " right."
                ),
            ),
            Expected(
                name="loads_are_as_large_as_usual",
                table="raw.ledger",
                column="rows_read",
                rule=NoRows(_unusual_volumes(settings, occasion), one="load", many="loads"),
                severity="warning",
                advice=(
                    "Far fewer rows mostly mean an export that broke off or was filtered, far more a full export in"
                    " place of the changes. Compare the file in archive/ with the source; rows that lack are loaded"
                    " whenever they are delivered. volume_factor says what counts as far."
                ),
            ),
            Expected(
                name="no_family_has_gone_stale",
                table="raw.ledger",
                column="loaded_at",
                rule=NoRows(_stale_families(settings, occasion), one="family", many="families"),
                severity="warning",
                advice=(
                    "Its figures stand still while the others move. See whether the export still runs and still writes"
                    " to LANDING; a file with the same bytes as before loads nothing. If it rightly comes less often,"
                    " raise the family's stale_…_days."
                ),
            ),
        ),
    )
