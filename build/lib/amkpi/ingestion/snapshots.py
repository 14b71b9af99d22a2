"""Snapshots: sources of which each file holds everything, so that a missing key counts as deleted.

A key of the source's last file that the newer file lacks counts as deleted, as if its newest row of this source had
arrived again in the newer file with `is_deleted = true`. Such a deletion is a parsed row without a raw row, on line 0:
it is in no file, so it changes no count of rows.
"""

from __future__ import annotations

import duckdb

from amkpi.ingestion.contracts.extracts import Extract
from amkpi.ingestion.delivery_log import Delivery

LINE = 0


def is_last(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> bool:
    """Whether the last file of this source and extract had the same bytes."""
    last = connection.execute(
        "select sha256 from raw.ledger where extract = ? and source = ? and status = 'loaded' and delivery < ?"
        " order by delivery desc limit 1",
        [delivery.extract, delivery.source, delivery.delivery],
    ).fetchall()
    return last == [(delivery.sha256,)]


def delete_missing(connection: duckdb.DuckDBPyConnection, extract: Extract, delivery: Delivery) -> int:
    """Write the deletions that the delivery implies; returns how many. Its rows must be written already.

    A key in a quarantined row is not missing. A malformed row has no key.
    """
    key = extract.key
    shown = " and ".join(f"{name} is not null" for name in key if extract.column(name).required)
    same = " and ".join(f"old.{name} is not distinct from new.{name}" for name in key)
    result = connection.execute(
        f"""
        insert into parsed.{extract.name} by name
        with of_source as (
            select delivery, delivery = max(delivery) over () as is_last
            from raw.ledger
            where extract = $extract and source = $source and status = 'loaded' and delivery < $delivery
        ),
        -- The newest moment of all files of the source: the deletion must supersede the rows of each of them.
        old as (
            select {", ".join(f"t.{name}" for name in key)}, max(t.updated_at) as updated_at
            from parsed.{extract.name} as t
            inner join of_source on t._delivery = of_source.delivery
            where {shown}
            group by {", ".join(f"t.{name}" for name in key)}
            having bool_or(of_source.is_last and t._line <> {LINE}) and bool_or(t._reason is null)
        )
        select {", ".join(f"old.{name}" for name in key)}, old.updated_at, true as is_deleted,
            $delivery as _delivery, {LINE} as _line, false as _from_future, false as _superseded
        from old
        anti join (select * from parsed.{extract.name} where _delivery = $delivery) as new on {same}
        """,
        {"extract": extract.name, "source": delivery.source, "delivery": delivery.delivery},
    ).fetchall()
    return int(result[0][0])
