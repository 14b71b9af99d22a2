"""What follows once the rows of a file are committed: the delivery log, then the archive, then the mark in the ledger.

A run that is killed in between leaves unsettled deliveries in the ledger. The next run settles them first.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from amkpi.core.home import Home
from amkpi.ingestion import archive, delivery_log, ledger
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.landing import LandingFile


def settle(connection: duckdb.DuckDBPyConnection, home: Home, path: Path | None, deliveries: list[Delivery]) -> None:
    """Log the deliveries of one file, put the claimed file away, and mark them as settled.

    path: the claimed file; None if it is not there any more. Raises AmkpiError.
    """
    delivery_log.write(home.state, deliveries)
    if path is not None:
        archive.store(home, path, deliveries)
    ledger.mark_settled(connection, deliveries)


def settle_killed_runs(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Settle the deliveries that a killed run committed; write a lost delivery log again. Raises AmkpiError."""
    logged = {delivery.delivery for delivery in delivery_log.read(home.state)}
    # A warehouse cannot be rebuilt without the delivery log.
    delivery_log.write(home.state, [each for each in ledger.deliveries(connection) if each.delivery not in logged])
    files: dict[tuple[int, str, str | None], list[Delivery]] = {}
    for delivery in ledger.deliveries(connection, "not settled"):
        files.setdefault((delivery.run, delivery.file_name, delivery.sha256), []).append(delivery)
    claimed = archive.recover(home) if files else []
    for deliveries in files.values():
        settle(connection, home, _claimed_file(claimed, deliveries[0]), deliveries)


def _claimed_file(claimed: list[LandingFile], delivery: Delivery) -> Path | None:
    for file in claimed:
        if file.name == delivery.file_name and archive.examined(file, 0)[0].sha256 == delivery.sha256:
            return file.path
    return None
