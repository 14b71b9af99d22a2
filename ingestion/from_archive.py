"""Loading from the archive: known bytes again, on purpose (replay), or all into an empty warehouse (rebuild)."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.core.storage.transactions import transaction
from amkpi.ingestion import delivery_log, ledger, snapshots
from amkpi.ingestion.archive import archived
from amkpi.ingestion.delivery_log import Delivery, with_note
from amkpi.ingestion.loader import LoadReport, changed_files
from amkpi.ingestion.mappings.files import from_text, read_mappings
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
    accept_deletions: bool = False,
) -> LoadReport:
    """Load known bytes on purpose, as the same extracts as before: a new delivery of the file in archive/.

    wanted: a file with the same bytes, its path below LANDING when it arrived, or its hash (the first digits are
    enough). A file of a snapshot is loaded with the other files of that snapshot. accept_deletions: whether it may
    delete more than `max_deleted_share`. Raises AmkpiError if no such bytes were loaded, or cannot be loaded any more.
    """
    mappings = _prepare(connection, home, settings, shipped_sources)
    known = [
        part
        for each in _loaded_before(connection, wanted)
        for part in (_parts(connection, each) if _is_snapshot(mappings, each) else [each])
    ]
    return _load_again(connection, home, settings, now(), mappings, known, accept_deletions)


def replay_mapping(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    now: Callable[[], datetime],
    shipped_sources: Path,
    name: str,
    accept_deletions: bool = False,
) -> LoadReport:
    """Load all files again that were loaded by another text of this mapping, each once, in their order.

    Of a snapshot source, only the files of the last snapshot. A key that only the earlier reading of the files has
    counts as deleted. The run of the report is None if there is no such file. Raises AmkpiError, also for deletions
    above `max_deleted_share` that are not accepted.
    """
    mappings = _prepare(connection, home, settings, shipped_sources)
    if name not in mappings:
        raise AmkpiError(f"no valid mapping is named {name}; there are: {', '.join(mappings)}")
    known = changed_files(ledger.deliveries(connection), mappings[name], or_unknown=True)
    return _load_again(connection, home, settings, now(), mappings, known, accept_deletions)


def _prepare(
    connection: duckdb.DuckDBPyConnection, home: Home, settings: Settings, shipped_sources: Path
) -> dict[str, Mapping]:
    """Bring HOME to a state in which files can be loaded again; returns the mappings."""
    mappings = read_mappings(shipped_sources, home.sources, settings.zone).valid
    create_tables(connection)
    ledger.check_not_behind(connection, home)
    settle_killed_runs(connection, home)
    delivery_log.keep_mapping_texts(home.state, [(each.sha256, each.name, each.text) for each in mappings])
    return {each.name: each for each in mappings}


def _is_snapshot(mappings: dict[str, Mapping], delivery: Delivery) -> bool:
    return delivery.source in mappings and mappings[delivery.source].snapshot


def _parts(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> list[Delivery]:
    """The files of the snapshot of which the delivery is a part."""
    return ledger.deliveries(
        connection,
        "status = 'loaded' and run = $run and extract = $extract and source = $source",
        run=delivery.run,
        extract=delivery.extract,
        source=delivery.source,
    )


def _load_again(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    moment: datetime,
    mappings: dict[str, Mapping],
    known: Sequence[Delivery],
    accept_deletions: bool,
) -> LoadReport:
    """Load files of archive/ again, in one transaction and one run."""
    if not known:
        return LoadReport(None, ())
    run, number = ledger.next_numbers(connection)
    taken: dict[int, Delivery] = {}
    by_source: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
    with transaction(connection):
        for offset, each in enumerate(known):
            source = mapping_of(mappings, each)
            again = Delivery(
                number + offset, run, each.file_name, source.extract if source else each.extract, each.source,
                each.sha256, each.bytes, "loaded", None, 0, moment,
            )  # fmt: skip
            again = _write_archived(connection, home, source, again, settings.landing.max_unpacked_bytes)
            taken[again.delivery] = again
            if source:
                by_source[source.extract, source.name].append(again)
        for (_, name), parts in by_source.items():
            source = mappings[name]
            found = snapshots.find_lost(connection, source, parts)
            if found.are_too_many(1.0 if accept_deletions else settings.landing.max_deleted_share):
                raise AmkpiError(found.refusal_of_replay(name))
            snapshots.delete_lost(connection, source, found, parts)
            last = replace(parts[-1], rows_deleted=found.lost)
            first = min(each.delivery for each in known if each.source == name)
            replaced = snapshots.newer_elsewhere(connection, source, parts, first)
            taken[last.delivery] = with_note(last, snapshots.replaced_rows(replaced)) if replaced else last
        for delivery in taken.values():
            ledger.enter(connection, delivery)
    settle(connection, home, None, list(taken.values()))
    return LoadReport(run, tuple(taken.values()))


def rebuild(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    shipped_sources: Path,
    progress: Callable[[str], None] = lambda line: None,
    until: int | None = None,
) -> int:
    """Fill an empty warehouse from archive/ and the delivery log, each file as it was loaded then.

    until: the last delivery that is wanted; all when None. A native file is read by the text that its mapping had when
    it was loaded, or by today's where no text was kept.

    Returns the number of deliveries. Raises AmkpiError if an archived file or its mapping is gone, or gives another
    number of rows than it did.
    """
    mappings = {each.name: each for each in read_mappings(shipped_sources, home.sources, settings.zone).valid}
    texts = delivery_log.mapping_texts(home.state)
    create_tables(connection)
    deliveries = [each for each in delivery_log.read(home.state) if until is None or each.delivery <= until]
    runs: dict[tuple[int, str | None, str | None], list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        runs[delivery.run, delivery.extract, delivery.source].append(delivery)
    for number, delivery in enumerate(deliveries, 1):
        with transaction(connection):
            if delivery.status == "loaded":
                source = mapping_of(mappings, delivery, texts, settings)
                # No limit: the file was within the limit of its day.
                count = _write_archived(connection, home, source, delivery, sys.maxsize).rows_read
                if count != delivery.rows_read:
                    raise AmkpiError(
                        f"{delivery.file_name} had {delivery.rows_read} rows when it was loaded as {delivery.extract},"
                        f" and has {count} now: bring back the source mapping with which it was loaded"
                    )
                of_run = runs[delivery.run, delivery.extract, delivery.source]
                loaded = [each for each in of_run if each.status == "loaded"]
                if source and delivery == loaded[-1]:
                    _delete_again(connection, source, loaded, any(each.status == "rejected" for each in of_run))
            ledger.enter(connection, delivery)
        progress(f"{number}/{len(deliveries)} {delivery.file_name}")
    ledger.mark_settled(connection, deliveries)
    return len(deliveries)


def _delete_again(
    connection: duckdb.DuckDBPyConnection, source: Mapping, loaded: Sequence[Delivery], is_incomplete: bool
) -> None:
    """Write the deletions that the files of one source in one run implied then."""
    if source.snapshot and is_incomplete:
        return
    found = snapshots.find_lost(connection, source, loaded)
    snapshots.delete_lost(connection, source, found, loaded)


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


def mapping_of(
    mappings: dict[str, Mapping],
    delivery: Delivery,
    texts: dict[str, str] | None = None,
    settings: Settings | None = None,
) -> Mapping | None:
    """The mapping of a delivery: of its day if its text is among `texts`, else today's. Raises AmkpiError."""
    if delivery.source is None:
        return None
    today = mappings.get(delivery.source)
    digest = delivery.mapping_sha256
    if texts and settings and digest in texts and (today is None or today.sha256 != digest):
        return from_text(delivery.source, texts[digest], f"the mapping {delivery.source} of its day", settings.zone)
    if today is None:
        raise AmkpiError(
            f"the source mapping {delivery.source} is gone or not valid: bring it back to sources/, it is needed to"
            f" read {delivery.file_name}"
        )
    return today


def _write_archived(
    connection: duckdb.DuckDBPyConnection, home: Home, source: Mapping | None, delivery: Delivery, limit: int
) -> Delivery:
    """Write the rows of the delivery from archive/; returns it with its counts. Raises AmkpiError."""
    assert delivery.sha256 is not None
    path = archived(home, delivery.sha256, delivery.file_name)
    if not path.is_file():
        raise AmkpiError(f"{path} is gone: bring back archive/ from its backup (it is the file {delivery.file_name})")
    content = examine(path, limit)
    if content.sha256 != delivery.sha256:
        raise AmkpiError(f"{path} is damaged: bring it back from its backup (it is the file {delivery.file_name})")
    try:
        return write_file(connection, path, content, delivery, source, limit)
    except Unreadable as error:
        raise AmkpiError(f"{path} cannot be read any more as {delivery.extract}: {error}") from error
