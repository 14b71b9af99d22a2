"""Settled rows: held back, but nobody has to correct them any more.

A held-back row is settled when one of these is true:

- its key has a newer valid row, newer in the order in which the row of a key is chosen;
- its line came back valid in a file that `amkpi quarantine --export` wrote and a person corrected. So a row without a
  key is settled too. The exported file names the bytes and the line that each row comes from;
- its file was taken again later, with the same bytes by the same mapping: the later delivery decides about its lines.

A row that is settled by a valid row is held back again if that row loses its own validity, for example its exchange
rate. It stays settled if the valid row is a deletion, or is superseded or deleted later: what follows is newer still.
"""

from __future__ import annotations

import duckdb

from amkpi.ingestion.contracts.extracts import Extract

# Columns of an exported file which lead back to the row: the digest of its file, and its line there.
SHA256, LINE = "quarantine_sha256", "quarantine_line"


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the table of corrected lines: which row corrects which line of which bytes."""
    connection.execute(
        """
        create or replace table validation.corrections (
            extract varchar not null, of_sha256 varchar not null, of_line bigint not null, _delivery bigint not null,
            _line bigint not null
        )
        """
    )


def mark_keys(connection: duckdb.DuckDBPyConnection, extract: Extract, touched: str) -> None:
    """Mark the held-back rows among `touched` (all rows of some keys) whose key has a newer valid row."""
    key = ", ".join(extract.key)
    held = f"(select _delivery, _line from validation.held_back where extract = '{extract.name}')"
    of_held = f"join {held} as q on t._delivery = q._delivery and t._line = q._line"
    rank = "{'at': coalesce(t.updated_at, timestamptz '-infinity'), 'delivery': t._delivery, 'line': t._line}"
    same = " and ".join(f"waiting.{name} is not distinct from best.{name}" for name in extract.key)
    connection.execute(
        f"""
        update validation.held_back as h set has_newer_row = found.has_newer_row
        from (
            with waiting as (
                select {", ".join(f"t.{name}" for name in extract.key)}, t._delivery, t._line, {rank} as place
                from {touched} as t
                semi {of_held}
            ),
            best as (
                select {key}, max(place) as place
                from (
                    select {", ".join(f"t.{name}" for name in extract.key)}, {rank} as place
                    from {touched} as t
                    anti {of_held}
                )
                group by {key}
            )
            select waiting._delivery, waiting._line,
                -- A valid row has its whole key, so a row without its own equals none.
                coalesce(best.place > waiting.place, false) as has_newer_row
            from waiting
            left join best on {same}
        ) as found
        where h.extract = '{extract.name}' and h._delivery = found._delivery and h._line = found._line
            and h.has_newer_row <> found.has_newer_row
        """
    )


def find_corrections(connection: duckdb.DuckDBPyConnection, extract: Extract, since: int) -> None:
    """Find the rows of deliveries after `since` that correct an exported line."""
    name = extract.name
    connection.execute(f"delete from validation.corrections where extract = '{name}' and _delivery > {since}")
    connection.execute(
        f"""
        insert into validation.corrections by name
        select '{name}' as extract, of_sha256, of_line, _delivery, _line
        from (
            select lower(trim(json_extract_string(_extra, '$.{SHA256}'))) as of_sha256,
                -- A spreadsheet may have made 12.0 of a line.
                try_cast(try_cast(json_extract_string(_extra, '$.{LINE}') as double) as bigint) as of_line,
                _delivery, _line
            from raw.{name}
            where _delivery > {since} and contains(_extra, '{SHA256}')
        )
        where of_sha256 is not null and of_line is not null
        """
    )


def settle(connection: duckdb.DuckDBPyConnection, extract: Extract) -> None:
    """Decide about each held-back row of the extract whether it is settled."""
    of_extract = f"extract = '{extract.name}'"
    if not connection.execute(f"select 1 from validation.held_back where {of_extract} limit 1").fetchall():
        return
    connection.execute(
        f"""
        update validation.held_back as h set is_settled = found.is_settled
        from (
            with loaded as (
                select delivery, source, sha256 from raw.ledger where {of_extract} and status = 'loaded'
            ),
            taken_again as (
                select delivery
                from loaded
                qualify delivery < max(delivery) over (partition by source, sha256)
            ),
            corrected as (
                select loaded.delivery, corrections.of_line
                from (from validation.corrections where {of_extract}) as corrections
                inner join loaded
                    on corrections.of_sha256 = loaded.sha256 and loaded.delivery < corrections._delivery
                anti join (from validation.held_back where {of_extract}) as held
                    on corrections._delivery = held._delivery and corrections._line = held._line
            )
            select _delivery, _line,
                has_newer_row
                or _delivery in (select delivery from taken_again)
                or (_delivery, _line) in (select delivery, of_line from corrected) as is_settled
            from validation.held_back
            where {of_extract}
        ) as found
        where h.{of_extract} and h._delivery = found._delivery and h._line = found._line
            and h.is_settled <> found.is_settled
        """
    )
