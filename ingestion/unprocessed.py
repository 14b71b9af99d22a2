"""What was loaded that no build has taken up yet, by family: what the DAGs ring for.

Told by facts, not by what one load did: a load that was killed after its rows were in is rung for by the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from amkpi.ingestion.contracts.extracts import EXTRACTS, FAMILIES, Family


@dataclass(frozen=True)
class Pending:
    """Deliveries of one family: their files and rows, and the rows by extract."""

    files: int
    rows: int
    extracts: Mapping[str, int]


def pending(connection: duckdb.DuckDBPyConnection) -> dict[Family, Pending]:
    """The families with deliveries that no build has begun with, in the order of their declaration.

    A file without rows says nothing, but that of a snapshot does: that everything is gone.
    """
    create_table(connection)
    rows = connection.execute(
        "select extract, count(*), sum(rows_read)::bigint from raw.ledger"
        " where status = 'loaded' and (rows_read > 0 or source is not null)"
        " and delivery > (select coalesce(max(delivery), 0) from raw.processed) group by extract"
    ).fetchall()
    found: dict[Family, Pending] = {}
    for family in FAMILIES:
        own = {name: (files, read) for name, files, read in rows if EXTRACTS[name].family == family}
        if own:
            found[family] = Pending(
                sum(files for files, _ in own.values()),
                sum(read for _, read in own.values()),
                {name: own[name][1] for name in EXTRACTS if name in own},
            )
    return found


def take_up(connection: duckdb.DuckDBPyConnection) -> None:
    """A build begins with everything that is loaded: nothing is pending any more, however the build ends.

    A build that fails is its own alarm; to ring for it again would only fail it again.
    """
    create_table(connection)
    connection.begin()
    connection.execute("delete from raw.processed")
    connection.execute("insert into raw.processed select coalesce(max(delivery), 0) from raw.ledger")
    connection.commit()


def create_table(connection: duckdb.DuckDBPyConnection) -> None:
    """The newest delivery that a build has taken up; a warehouse of an older version lacks it."""
    connection.execute("create table if not exists raw.processed (delivery bigint)")
