"""The loader: takes every ready file from LANDING exactly once, into `raw` or into rejected/ with a reason.

A file is first claimed (moved to where its sender cannot change it). Its rows and its entry in the ledger are one
transaction. Then it is settled: logged, put away, and marked (`settling.py`). A run that is killed in between is
continued by the next one: the claimed files and the unsettled deliveries show how far it came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import datetime
from itertools import chain
from pathlib import Path

import duckdb

from amkpi.core.erasure import register
from amkpi.core.erasure.register import Erasures
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.setting_groups.pipeline import Landing
from amkpi.core.settings import Settings
from amkpi.core.storage.transactions import transaction
from amkpi.core.storage.warehouse import out_of_memory
from amkpi.ingestion import archive, delivery_log, landing, ledger, snapshots
from amkpi.ingestion.contracts.extracts import EXTRACTS, Family
from amkpi.ingestion.delivery_log import Delivery, with_note
from amkpi.ingestion.erasure.rows import erase_claimed
from amkpi.ingestion.landing import LandingFile
from amkpi.ingestion.mappings.files import MappingFiles, read_mappings
from amkpi.ingestion.mappings.model import Mapping as SourceMapping
from amkpi.ingestion.readers import Content, Unreadable
from amkpi.ingestion.settling import settle, settle_killed_runs
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.unprocessed import Unprocessed
from amkpi.ingestion.writer import in_one_line, write_file


@dataclass(frozen=True)
class _Taking:
    """A claimed file that is to be loaded as one extract. If the delivery is already rejected, it stays rejected."""

    delivery: Delivery
    path: Path
    content: Content
    source: SourceMapping | None

    @property
    def snapshot(self) -> tuple[str, str] | None:
        """The extract and source of which the file is a part of a snapshot."""
        if self.source is None or not self.source.snapshot:
            return None
        return self.source.extract, self.source.name


@dataclass(frozen=True)
class LoadReport:
    """The result of one load: its run number (None if nothing was ready) and its deliveries.

    unprocessed: by family, the rows of this load and earlier ones that no build has used yet. changed_mappings: for
    each mapping that was changed since files were loaded by it, the number of these files. broken_mappings: what is
    wrong with each mapping file that is not valid; files that it takes are rejected.
    """

    run: int | None
    deliveries: tuple[Delivery, ...]
    unprocessed: Mapping[Family, Unprocessed] = field(default_factory=dict)
    changed_mappings: Mapping[str, int] = field(default_factory=dict)
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
    accepted: str | None = None,
) -> LoadReport:
    """Load every file that is ready. `now` gives an aware moment; `progress` gets a line for each file.

    accepted: the mapping whose files may delete more than `max_deleted_share` in this run, because a person allowed it.
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
        changed = changed_mappings(ledger.deliveries(connection), mappings.valid)
        return LoadReport(None, (), changed_mappings=changed, broken_mappings=broken)
    delivery_log.keep_mapping_texts(home.state, [(each.sha256, each.name, each.text) for each in mappings.valid])
    erasures = register.read(home.state)
    run, delivery = ledger.next_numbers(connection)
    done: list[Delivery] = []
    number = 0
    for unit in taken_together(files, mappings):
        claimed = _claim(home, unit, delivery, progress)
        try:
            taken = _take(connection, mappings, claimed, settings, accepted, (run, delivery, now()), erasures)
        except BaseException:
            for file in claimed:
                archive.release(home, file)
            raise
        for file, deliveries in zip(claimed, taken, strict=True):
            settle(connection, home, file.path, deliveries)
            delivery += len(deliveries)
            done += deliveries
            number += 1
            for each in deliveries:
                progress(f"{number}/{len(files)} {each.file_name}: {each.summary}")
    changed = changed_mappings(ledger.deliveries(connection), mappings.valid)
    return LoadReport(run, tuple(done), changed_mappings=changed, broken_mappings=broken)


def changed_mappings(deliveries: Sequence[Delivery], mappings: Sequence[SourceMapping]) -> dict[str, int]:
    """For each mapping that was changed since files were loaded by it, the number of these files."""
    counts = {mapping.name: len(_read_by_another_text(deliveries, mapping)) for mapping in mappings}
    return {name: count for name, count in counts.items() if count}


def _read_by_another_text(
    deliveries: Sequence[Delivery], mapping: SourceMapping, *, or_unknown: bool = False
) -> list[Delivery]:
    """The last delivery of each file of a mapping, where another text of it read the file."""
    current = (mapping.sha256,) if or_unknown else (mapping.sha256, None)
    return [each for each in _last_of_each_file(deliveries, mapping) if each.mapping_sha256 not in current]


def _last_of_each_file(deliveries: Sequence[Delivery], mapping: SourceMapping) -> list[Delivery]:
    """The last delivery of each file of a mapping, in their order; of a snapshot source those of the last snapshot."""
    of_source = [each for each in deliveries if each.source == mapping.name and each.status == "loaded"]
    if mapping.snapshot:
        of_source = [each for each in of_source if each.run == of_source[-1].run]
    last = {each.sha256: each for each in of_source}
    return sorted(last.values(), key=lambda each: each.delivery)


def changed_files(
    deliveries: Sequence[Delivery], mapping: SourceMapping, *, or_unknown: bool = False
) -> list[Delivery]:
    """The files to take again when a mapping was changed: the last delivery of each, in their order.

    Those that another text of the mapping read, and every file of it that was delivered after the first of them: its
    rows must stay newer. Of a snapshot source the last snapshot, as a whole. or_unknown: also files of which no text
    was recorded.
    """
    changed = _read_by_another_text(deliveries, mapping, or_unknown=or_unknown)
    if not changed:
        return []
    first = 0 if mapping.snapshot else changed[0].delivery
    return [each for each in _last_of_each_file(deliveries, mapping) if each.delivery >= first]


def taken_together(files: Sequence[LandingFile], mappings: MappingFiles) -> list[list[LandingFile]]:
    """The files, which are sorted, in units that are loaded in one transaction each.

    The files of a snapshot are one unit, with everything that lies between them by its path: deliveries keep the order
    of the paths. Every other file is a unit by itself.
    """
    last: dict[str, int] = {}
    of_file = [[each.name for _, each in _snapshots(file.name, mappings)] for file in files]
    for place, names in enumerate(of_file):
        last.update(dict.fromkeys(names, place))
    units: list[list[LandingFile]] = []
    until = -1
    for place, (file, names) in enumerate(zip(files, of_file, strict=True)):
        if place > until:
            units.append([])
        units[-1].append(file)
        until = max([until, place, *(last[name] for name in names)])
    return units


def _claim(
    home: Home, unit: Sequence[LandingFile], delivery: int, progress: Callable[[str], None]
) -> list[LandingFile]:
    """Claim the files of a unit: all of them, or none if one changed since it was looked at."""
    claimed: list[LandingFile] = []
    for place, file in enumerate(unit):
        own = archive.claim(home, file, delivery + place)
        if own is None:
            also = f"; so are the {len(unit) - 1} files that are loaded with it" if len(unit) > 1 else ""
            progress(f"{file.name}: changed or went away before it could be claimed; left for the next run{also}")
            for each in claimed:
                archive.release(home, each)
            return []
        claimed.append(own)
    return claimed


def _take(
    connection: duckdb.DuckDBPyConnection,
    mappings: MappingFiles,
    claimed: Sequence[LandingFile],
    settings: Settings,
    accepted: str | None,
    first: tuple[int, int, datetime],
    erasures: Erasures,
) -> list[list[Delivery]]:
    """Take claimed files: everything that they contain, in one transaction; returns the deliveries of each file.

    first: the number of the run, that of the first delivery, and the moment. erasures: of whom no name is taken.
    """
    run, number, moment = first
    files: list[list[_Taking]] = []
    for file in claimed:
        content, refusal = archive.examined(file, settings.landing.max_unpacked_bytes)
        refusal = refusal or (None if _is_canonical(file.name) else mappings.refusal(file.name))
        # A refused file still belongs to its snapshot. Otherwise the other files would delete its keys.
        found = _snapshots(file.name, mappings) if refusal else _targets(file.name, mappings)
        if not found and refusal is None:
            refusal = (
                f"nothing takes this file: put it into a folder named after its extract ({', '.join(EXTRACTS)}),"
                " or write a source mapping for it"
            )
        if refusal is None:
            content = erase_claimed(file.path, content, found, erasures, settings.landing.max_unpacked_bytes)
        arrived = Delivery(number, run, file.name, None, None, content.sha256, content.size, "loaded", None, 0, moment)
        if refusal:
            arrived = replace(arrived, status="rejected", reason=refusal)
        takings = []
        for extract, source in found:
            delivery = replace(arrived, delivery=number, extract=extract, source=source.name if source else None)
            takings.append(_Taking(delivery, file.path, content, source))
            number += 1
        if not found:
            takings.append(_Taking(replace(arrived, delivery=number), file.path, content, None))
            number += 1
        files.append(takings)
    try:
        with transaction(connection):
            return _take_all(connection, files, settings.landing, accepted)
    except duckdb.Error as error:
        cause = out_of_memory(str(error), settings) or " ".join(str(error).split("\n", 1)[0].split())
        names = ", ".join(file.name for file in claimed)
        raise AmkpiError(f"{names} could not be loaded, and waits for the next run: {cause}") from error


def _is_canonical(name: str) -> bool:
    """Whether the file lies in the folder of an extract, so that no mapping takes it."""
    return "/" in name and name.split("/", 1)[0] in EXTRACTS


def _targets(name: str, mappings: MappingFiles) -> Sequence[tuple[str, SourceMapping | None]]:
    """The extracts that a file becomes by its path, each with the mapping that makes it."""
    if _is_canonical(name):
        return [(name.split("/", 1)[0], None)]
    return [(each.extract, each) for each in mappings.taking(name)]


def _snapshots(name: str, mappings: MappingFiles) -> Sequence[tuple[str, SourceMapping]]:
    """The extracts and mappings of which the file is a part of a snapshot by its path."""
    return [(extract, source) for extract, source in _targets(name, mappings) if source and source.snapshot]


def _take_all(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Sequence[_Taking]], limits: Landing, accepted: str | None
) -> list[list[Delivery]]:
    """Load files in the caller's transaction, with the deletions that they imply, and enter them in the ledger."""
    snapshot_files: dict[tuple[str, str], set[str]] = defaultdict(set)
    for taking in chain.from_iterable(files):
        if taking.snapshot:
            snapshot_files[taking.snapshot].add(taking.content.sha256)
    taken: dict[int, Delivery] = {}
    for taking in chain.from_iterable(files):
        if taking.delivery.status == "rejected":
            taken[taking.delivery.delivery] = taking.delivery
        elif _is_known(connection, taking, taken.values(), snapshot_files):
            reason = "the same bytes were loaded before"
            taken[taking.delivery.delivery] = replace(taking.delivery, status="duplicate", reason=reason)
        else:
            taken[taking.delivery.delivery] = _load_one(connection, taking, limits.max_unpacked_bytes)
    by_source: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
    sources = {}
    for taking in chain.from_iterable(files):
        if taking.source is not None and taken[taking.delivery.delivery].status != "duplicate":
            by_source[taking.source.extract, taking.source.name].append(taken[taking.delivery.delivery])
            sources[taking.source.extract, taking.source.name] = taking.source
    for place, parts in by_source.items():
        share = 1.0 if sources[place].name == accepted else limits.max_deleted_share
        for delivery in _delete_what_they_lack(connection, sources[place], parts, share):
            taken[delivery.delivery] = delivery
    for delivery in taken.values():
        ledger.enter(connection, delivery)
    return [[taken[taking.delivery.delivery] for taking in takings] for takings in files]


def _load_one(connection: duckdb.DuckDBPyConnection, taking: _Taking, limit: int) -> Delivery:
    """Load the file as one extract in the caller's transaction."""
    try:
        return write_file(connection, taking.path, taking.content, taking.delivery, taking.source, limit)
    except Unreadable as error:
        return _rejected(connection, taking.delivery, str(error))


def _rejected(connection: duckdb.DuckDBPyConnection, delivery: Delivery, reason: str) -> Delivery:
    """The delivery as rejected. A file is never half loaded: what was written of it is removed."""
    for schema in ("raw", "parsed"):
        connection.execute(f"delete from {schema}.{delivery.extract} where _delivery = ?", [delivery.delivery])
    # A rejected file keeps no counts.
    bare = Delivery(*(getattr(delivery, each.name) for each in fields(Delivery) if each.default is MISSING))
    return replace(bare, status="rejected", reason=in_one_line(reason), rows_read=0)


def _delete_what_they_lack(
    connection: duckdb.DuckDBPyConnection, source: SourceMapping, parts: Sequence[Delivery], max_share: float
) -> list[Delivery]:
    """Write the deletions that the files of one source imply, or reject the files; returns those that changed by it.

    parts: what was taken of the source, rejected files too. max_share: of the keys, which may be deleted.
    """
    loaded = [part for part in parts if part.status == "loaded"]
    if not loaded:
        return []
    if source.snapshot and len(loaded) < len(parts):
        # The keys of the rejected part would be deleted.
        note = "nothing counts as deleted, because another file of the same snapshot was rejected"
        return [with_note(part, note) for part in loaded]
    found = snapshots.find_lost(connection, source, loaded)
    if found.are_too_many(max_share):
        return [_rejected(connection, part, found.refusal(source.name, source.snapshot)) for part in loaded]
    snapshots.delete_lost(connection, source, found, loaded)
    last = with_note(loaded[-1], snapshots.UNREADABLE) if found.unreadable else loaded[-1]
    return [replace(last, rows_deleted=found.lost)]


def _is_known(
    connection: duckdb.DuckDBPyConnection,
    taking: _Taking,
    taken: Iterable[Delivery],
    snapshot_files: Mapping[tuple[str, str], Collection[str]],
) -> bool:
    """Whether the same bytes were loaded as the same extract by the same mapping, in this transaction or before.

    A snapshot is known only if the last one of its source had the same files.
    """
    delivery, source = taking.delivery, taking.source
    here = (delivery.extract, delivery.source, delivery.sha256, "loaded")
    if here in {(each.extract, each.source, each.sha256, each.status) for each in taken}:
        return True
    if taking.snapshot and source is not None:
        return snapshots.is_last(connection, *taking.snapshot, snapshot_files[taking.snapshot], source.sha256)
    last = connection.execute(
        "select mapping_sha256 from raw.ledger where extract = ? and sha256 = ? and status = 'loaded'"
        " and source is not distinct from ? order by delivery desc limit 1",
        [delivery.extract, delivery.sha256, delivery.source],
    ).fetchall()
    # A digest that was not recorded is taken as the same.
    return bool(last) and last[0][0] in (None, source.sha256 if source else None)


def rejected_for_deletions(connection: duckdb.DuckDBPyConnection, source: str) -> list[Delivery]:
    """The files of a mapping that were last rejected because they would delete too much.

    Raises AmkpiError for an unknown name.
    """
    create_tables(connection)
    found = ledger.deliveries(
        connection,
        "status = 'rejected' and source = $source and contains(reason, $mark)",
        source=source,
        mark=f"--accept-deletions {source}",
    )
    return [each for each in found if each.run == found[-1].run]
