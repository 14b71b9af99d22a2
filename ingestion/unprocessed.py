"""The loaded rows that no build has used yet, by family: what the DAGs start a build for.

This is derived from the tables, not from the result of one load. So if a load is killed after its commit, the next load
still reports its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from amkpi.core.storage.transactions import transaction
from amkpi.core.storage.warehouse import table_exists
from amkpi.ingestion.contracts.extracts import EXTRACTS, FAMILIES, Family


@dataclass(frozen=True)
class Unprocessed:
    """Deliveries of one family: the number of files, of rows, and of rows by extract."""

    files: int
    rows: int
    extracts: Mapping[str, int]


def find(connection: duckdb.DuckDBPyConnection) -> dict[Family, Unprocessed]:
    """The families with deliveries that no build has used, in the order of their declaration.

    A file without rows changes nothing, except a file of a snapshot: it deletes every key.
    """
    create_table(connection)
    rows = _unprocessed(connection)
    found: dict[Family, Unprocessed] = {}
    for family in FAMILIES:
        own = {name: (files, read) for name, files, read in rows if EXTRACTS[name].family == family}
        if own:
            found[family] = Unprocessed(
                sum(files for files, _ in own.values()),
                sum(read for _, read in own.values()),
                {name: own[name][1] for name in EXTRACTS if name in own},
            )
    return found


def is_any(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether there are deliveries that no build has used; for a connection that only reads."""
    if not table_exists(connection, "raw", "ledger"):
        return False
    if table_exists(connection, "raw", "processed"):
        return bool(_unprocessed(connection))
    return bool(connection.execute("select 1 from raw.ledger where status = 'loaded' limit 1").fetchone())


def mark_processed(connection: duckdb.DuckDBPyConnection) -> None:
    """Record that a build has started with everything that is loaded, whatever the result of that build.

    A build that fails raises its own alert. Starting it again for the same rows would only let it fail again.
    """
    create_table(connection)
    with transaction(connection):
        connection.execute("delete from raw.processed")
        connection.execute("insert into raw.processed (delivery) select coalesce(max(delivery), 0) from raw.ledger")


def _unprocessed(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int, int]]:
    return connection.execute(
        "select extract, count(*), sum(rows_read)::bigint from raw.ledger"
        " where status = 'loaded' and (rows_read > 0 or source is not null)"
        " and delivery > (select coalesce(max(delivery), 0) from raw.processed) group by extract"
    ).fetchall()


def create_table(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the table that holds the newest delivery that a build has used."""
    connection.execute("create table if not exists raw.processed (delivery bigint)")
