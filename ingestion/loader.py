"""The loader: takes every ready file from LANDING exactly once, into `raw` or into rejected/ with a reason.

A file is first claimed (moved to where its sender cannot change it). Its rows and its entry in the ledger are one
transaction. Then it is settled: logged, put away, and marked (`settling.py`). A run that is killed in between is
continued by the next one: the claimed files and the unsettled deliveries show how far it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.core.storage.transactions import transaction
from amkpi.ingestion import archive, landing, ledger, snapshots
from amkpi.ingestion.contracts.extracts import EXTRACTS, Family
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.landing import LandingFile
from amkpi.ingestion.mappings.files import MappingFiles, read_mappings
from amkpi.ingestion.mappings.model import Mapping as SourceMapping
from amkpi.ingestion.readers import Content, Unreadable
from amkpi.ingestion.settling import settle, settle_killed_runs
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.unprocessed import Unprocessed
from amkpi.ingestion.writer import in_one_line, write_file


@dataclass(frozen=True)
class LoadReport:
    """The result of one load: its run number (None if nothing was ready) and its deliveries.

    unprocessed: by family, the rows of this load and earlier ones that no build has used yet. broken_mappings: what is
    wrong with each mapping file that is not valid; files that it takes are rejected.
    """

    run: int | None
    deliveries: tuple[Delivery, ...]
    unprocessed: Mapping[Family, Unprocessed] = field(default_factory=dict)
    broken_mappings: tuple[str, ...] = ()

    def count(self, status: str) -> int:
        """How many deliveries have this status."""
        return sum(delivery.status == status for delivery in self.deliveries)

    @property
    def rows_read(self) -> int:
        """The rows of all loaded files."""
        return sum(delivery.rows_read for delivery in self.deliveries)


def load(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    now: Callable[[], datetime],
    shipped_sources: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> LoadReport:
    """Load every file that is ready. `now` gives an aware moment; `progress` gets a line for each file.

    A file that a wrong mapping would take is rejected; the others are loaded. Raises AmkpiError for a folder that
    cannot be written.
    """
    mappings = read_mappings(shipped_sources, home.sources, settings.zone)
    create_tables(connection)
    ledger.check_not_behind(connection, home)
    settle_killed_runs(connection, home)
    waiting = [*archive.recover(home), *landing.ready(home.landing, settings.landing.settle_seconds)]
    # A stable sort: of two files with one name, the one that a killed run had claimed arrived first.
    files = sorted(waiting, key=lambda file: file.name)
    broken = tuple(str(wrong.error) for wrong in mappings.broken)
    for wrong in broken:
        progress(f"a mapping is wrong, and files that it takes are rejected: {wrong}")
    if not files:
        return LoadReport(None, (), broken_mappings=broken)
    run, delivery = ledger.next_numbers(connection)
    done: list[Delivery] = []
    for number, file in enumerate(files, 1):
        claimed = archive.claim(home, file, delivery)
        if claimed is None:
            progress(f"{file.name}: changed or went away before it could be claimed; left for the next run")
            continue
        try:
            taken = _take(connection, mappings, claimed, run, delivery, now(), settings.landing.max_unpacked_bytes)
        except BaseException:
            archive.release(home, claimed)
            raise
        settle(connection, home, claimed.path, taken)
        delivery += len(taken)
        done += taken
        for each in taken:
            progress(f"{number}/{len(files)} {each.file_name}: {each.summary}")
    return LoadReport(run, tuple(done), broken_mappings=broken)


def _take(
    connection: duckdb.DuckDBPyConnection,
    mappings: MappingFiles,
    claimed: LandingFile,
    run: int,
    first_delivery: int,
    moment: datetime,
    limit: int,
) -> list[Delivery]:
    """Take one claimed file: everything that it contains, in one transaction."""
    content, refusal = archive.examined(claimed, limit)
    refusal = refusal or (None if _is_canonical(claimed.name) else mappings.refusal(claimed.name))
    targets = [] if refusal else _targets(claimed.name, mappings)
    arrived = Delivery(
        first_delivery, run, claimed.name, None, None, content.sha256, content.size, "loaded", None, 0, moment
    )
    taken: list[Delivery] = []
    try:
        with transaction(connection):
            for offset, (extract_name, source) in enumerate(targets):
                delivery = replace(
                    arrived,
                    delivery=first_delivery + offset,
                    extract=extract_name,
                    source=source.name if source else None,
                )
                taken.append(_take_as(connection, claimed.path, content, delivery, source, limit))
            if not targets:
                reason = refusal or (
                    f"nothing takes this file: put it into a folder named after its extract ({', '.join(EXTRACTS)}),"
                    " or write a source mapping for it"
                )
                taken.append(replace(arrived, status="rejected", reason=reason))
                ledger.enter(connection, taken[-1])
    except duckdb.Error as error:
        cause = " ".join(str(error).split("\n", 1)[0].split())
        raise AmkpiError(f"{claimed.name} could not be loaded, and waits for the next run: {cause}") from error
    return taken


def _is_canonical(name: str) -> bool:
    """Whether the file lies in the folder of an extract, so that no mapping takes it."""
    return "/" in name and name.split("/", 1)[0] in EXTRACTS


def _targets(name: str, mappings: MappingFiles) -> list[tuple[str, SourceMapping | None]]:
    """The extracts that a file becomes by its path, each with the mapping that makes it."""
    if _is_canonical(name):
        return [(name.split("/", 1)[0], None)]
    return [(each.extract, each) for each in mappings.taking(name)]


def _take_as(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    content: Content,
    delivery: Delivery,
    source: SourceMapping | None,
    limit: int,
) -> Delivery:
    """Load the file as one extract in the caller's transaction, and enter it in the ledger."""
    assert delivery.extract is not None
    if _is_known(connection, delivery, source):
        result = replace(delivery, status="duplicate", reason="the same bytes were loaded before")
    else:
        try:
            result = write_file(connection, path, content, delivery, source, limit)
        except Unreadable as error:
            # A file is never half loaded: what was written before the error is removed.
            for schema in ("raw", "parsed"):
                connection.execute(f"delete from {schema}.{delivery.extract} where _delivery = ?", [delivery.delivery])
            result = replace(delivery, status="rejected", reason=in_one_line(str(error)))
    ledger.enter(connection, result)
    return result


def _is_known(connection: duckdb.DuckDBPyConnection, delivery: Delivery, source: SourceMapping | None) -> bool:
    """Whether the same bytes were loaded as the same extract. A snapshot counts as new again after another one."""
    if source is not None and source.snapshot:
        return snapshots.is_last(connection, delivery)
    known = connection.execute(
        "select 1 from raw.ledger where extract = ? and sha256 = ? and status = 'loaded'"
        " and source is not distinct from ?",
        [delivery.extract, delivery.sha256, delivery.source],
    ).fetchall()
    return bool(known)
