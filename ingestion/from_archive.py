"""Loading from the archive: known bytes again, on purpose (replay), or all into an empty warehouse (rebuild)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.core.storage.transactions import transaction
from amkpi.ingestion import delivery_log, ledger
from amkpi.ingestion.archive import archived
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.loader import LoadReport
from amkpi.ingestion.mappings.files import load_mappings
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.readers import Unreadable, examine
from amkpi.ingestion.settling import settle, settle_killed_runs
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.writer import write_file

_SHORTEST_HASH = 8


def replay(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    now: Callable[[], datetime],
    shipped_sources: Path,
    wanted: str,
) -> LoadReport:
    """Load known bytes on purpose, as the same extracts as before: a new delivery of the file in archive/.

    wanted: a file with the same bytes, its path below LANDING when it arrived, or its hash (the first digits are
    enough). Raises AmkpiError if no such bytes were loaded, or they cannot be loaded any more.
    """
    mappings = _mappings(home, settings, shipped_sources)
    create_tables(connection)
    ledger.check_not_behind(connection, home)
    settle_killed_runs(connection, home)
    known = _loaded_before(connection, wanted)
    run, number = ledger.next_numbers(connection)
    moment = now()
    taken = [
        replace(each, delivery=number + offset, run=run, loaded_at=moment, rows_read=0)
        for offset, each in enumerate(known)
    ]
    with transaction(connection):
        for place, delivery in enumerate(taken):
            taken[place] = _write_archived(connection, home, mappings, delivery, settings.landing.max_unpacked_bytes)
            ledger.enter(connection, taken[place])
    settle(connection, home, None, taken)
    return LoadReport(run, tuple(taken))


def rebuild(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    shipped_sources: Path,
    progress: Callable[[str], None] = lambda line: None,
    until: int | None = None,
) -> int:
    """Fill an empty warehouse from archive/ and the delivery log, each file as it was loaded then.

    until: the last delivery that is wanted; all when None.

    Returns the number of deliveries. Raises AmkpiError if an archived file or its mapping is gone, or gives another
    number of rows than it did.
    """
    mappings = _mappings(home, settings, shipped_sources)
    create_tables(connection)
    deliveries = [each for each in delivery_log.read(home.state) if until is None or each.delivery <= until]
    for number, delivery in enumerate(deliveries, 1):
        with transaction(connection):
            if delivery.status == "loaded":
                # No limit: the file was within the limit of its day.
                count = _write_archived(connection, home, mappings, delivery, sys.maxsize).rows_read
                if count != delivery.rows_read:
                    raise AmkpiError(
                        f"{delivery.file_name} had {delivery.rows_read} rows when it was loaded as {delivery.extract},"
                        f" and has {count} now: bring back the source mapping with which it was loaded"
                    )
            ledger.enter(connection, delivery)
        progress(f"{number}/{len(deliveries)} {delivery.file_name}")
    ledger.mark_settled(connection, deliveries)
    return len(deliveries)


def _mappings(home: Home, settings: Settings, shipped_sources: Path) -> dict[str, Mapping]:
    return {each.name: each for each in load_mappings(shipped_sources, home.sources, settings.zone)}


def _loaded_before(connection: duckdb.DuckDBPyConnection, wanted: str) -> list[Delivery]:
    """The last delivery of the wanted bytes for each extract and source."""
    path = Path(wanted)
    given = examine(path, 0).sha256 if path.is_file() else wanted.lower()
    found = ledger.deliveries(
        connection,
        "status = 'loaded' and (sha256 = $given or file_name = $wanted"
        f" or (length($given) >= {_SHORTEST_HASH} and starts_with(sha256, $given)))",
        given=given,
        wanted=wanted,
    )
    if not found:
        raise AmkpiError(
            f"no loaded file matches {wanted}: give its path, its name below LANDING, or its hash in the ledger"
        )
    if found[-1].file_name == wanted and given == wanted.lower():
        # Of several files with this name, the last one.
        found = [each for each in found if each.sha256 == found[-1].sha256]
    if len({each.sha256 for each in found}) > 1:
        raise AmkpiError(f"the hashes of several files begin with {wanted}: give more digits")
    return list({(each.extract, each.source): each for each in found}.values())


def _write_archived(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    mappings: dict[str, Mapping],
    delivery: Delivery,
    limit: int,
) -> Delivery:
    """Write the rows of the delivery from archive/; returns it with its counts. Raises AmkpiError."""
    assert delivery.sha256 is not None
    path = archived(home, delivery.sha256, delivery.file_name)
    if not path.is_file():
        raise AmkpiError(f"{path} is gone: bring back archive/ from its backup (it is the file {delivery.file_name})")
    if delivery.source is not None and delivery.source not in mappings:
        raise AmkpiError(
            f"the source mapping {delivery.source} is gone: bring it back to sources/, it is needed to read"
            f" {delivery.file_name}"
        )
    source = mappings[delivery.source] if delivery.source else None
    content = examine(path, limit)
    if content.sha256 != delivery.sha256:
        raise AmkpiError(f"{path} is damaged: bring it back from its backup (it is the file {delivery.file_name})")
    try:
        return write_file(connection, path, content, delivery, source, limit)
    except Unreadable as error:
        raise AmkpiError(f"{path} cannot be read any more as {delivery.extract}: {error}") from error
