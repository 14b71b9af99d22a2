"""Snapshots: sources whose each file holds everything, so that what a newer file lacks is gone.

A key of the source's last file which the newer one lacks counts as deleted, as if its newest row of this source had
come again with `is_deleted = true` in the newer file. Such a deletion is a typed row without a raw one, on line 0: no
file holds it, so that no count of rows changes.
"""

from __future__ import annotations

import duckdb

from amkpi.ingestion.contracts.extracts import Extract
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.tables import duckdb_type

LINE = 0


def is_last(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> bool:
    """Whether the source's last file of this extract had the same bytes."""
    last = connection.execute(
        "select sha256 from raw.ledger where extract = ? and source = ? and status = 'loaded' and delivery < ?"
        " order by delivery desc limit 1",
        [delivery.extract, delivery.source, delivery.delivery],
    ).fetchall()
    return last == [(delivery.sha256,)]


def delete_missing(connection: duckdb.DuckDBPyConnection, extract: Extract, delivery: Delivery) -> int:
    """Write the deletions that the delivery, whose rows are in, implies; returns how many.

    A row that is held back shows its key all the same: its key is not missing. A malformed row shows none.
    """
    key = extract.key
    shown = " and ".join(f"{name} is not null" for name in key if extract.column(name).required)
    same = " and ".join(f"old.{name} is not distinct from new.{name}" for name in key)
    values = {
        **{column.name: f"null::{duckdb_type(column)}" for column in extract.all_columns},
        **{name: f"old.{name}" for name in key},
        "updated_at": "old.updated_at",
        "is_deleted": "true",
    }
    result = connection.execute(
        f"""
        insert into parsed.{extract.name}
        with of_source as (
            select delivery, delivery = max(delivery) over () as is_last
            from raw.ledger
            where extract = $extract and source = $source and status = 'loaded' and delivery < $delivery
        ),
        -- The newest moment is over all files of the source: the deletion must beat what an earlier one said.
        old as (
            select {", ".join(f"t.{name}" for name in key)}, max(t.updated_at) as updated_at
            from parsed.{extract.name} as t
            inner join of_source on t._delivery = of_source.delivery
            where {shown}
            group by {", ".join(f"t.{name}" for name in key)}
            having bool_or(of_source.is_last and t._line <> {LINE}) and bool_or(t._reason is null)
        )
        select {", ".join(values[column.name] for column in extract.all_columns)}, $delivery, {LINE}, null, null, false,
            false
        from old
        anti join (select * from parsed.{extract.name} where _delivery = $delivery) as new on {same}
        """,
        {"extract": extract.name, "source": delivery.source, "delivery": delivery.delivery},
    ).fetchall()
    return int(result[0][0])
