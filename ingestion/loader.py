"""Loading: each file that is ready in LANDING becomes rows of `raw`, or is put aside with a reason, exactly once.

A file is claimed (moved out of its sender's reach), its rows and its ledger entry are one transaction, then the journal
is written, then the file moves to where it stays. A run that was cut off in between is finished by the next one
(`settled` in the ledger, and what lies claimed, say how far it came).
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.ingestion import archive, delivery_log, landing, snapshots
from amkpi.ingestion.archive import archived
from amkpi.ingestion.contracts.extracts import EXTRACTS, Family
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.landing import Seen
from amkpi.ingestion.mappings import apply
from amkpi.ingestion.readers import Content, Unreadable, examine
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.unprocessed import Pending
from amkpi.ingestion.writer import insert, open_rows

__all__ = ["LoadReport", "archived", "load", "load_again", "replay"]

_LONGEST_REASON = 600
_SHORTEST_HASH = 8
_LEDGER = "delivery, run, file_name, extract, source, sha256, bytes, status, reason, rows_read, loaded_at"


@dataclass(frozen=True)
class LoadReport:
    """What one load did: its run number (None when there was nothing) and its deliveries.

    pending: by family, what no build has taken up yet, of this load and those before it.
    """

    run: int | None
    deliveries: tuple[Delivery, ...]
    pending: Mapping[Family, Pending] = field(default_factory=dict)

    def count(self, status: str) -> int:
        """How many deliveries got this status."""
        return sum(delivery.status == status for delivery in self.deliveries)

    @property
    def rows_read(self) -> int:
        """Rows of all loaded files."""
        return sum(delivery.rows_read for delivery in self.deliveries)


def load(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    now: Callable[[], datetime],
    shipped_sources: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> LoadReport:
    """Load every file that is ready. `now` gives an aware moment; `progress` gets a line a file.

    Raises AmkpiError for a mapping that is wrong, or a folder that cannot be written.
    """
    mappings = apply.load_mappings(shipped_sources, home.sources if home.sources.is_dir() else None)
    create_tables(connection)
    _check_not_behind(connection, home)
    _settle(connection, home)
    waiting = [*archive.left_over(home), *landing.ready(home.landing, settings.landing.settle_seconds)]
    # A stable sort: of two of one name, what a cut-off run had claimed came first.
    files = sorted(waiting, key=lambda seen: seen.name)
    if not files:
        return LoadReport(None, ())
    run, delivery = _next_numbers(connection)
    done: list[Delivery] = []
    for number, seen in enumerate(files, 1):
        claimed = archive.claim(home, seen, delivery)
        if claimed is None:
            progress(f"{seen.name}: changed or went away while it was looked at; left for the next run")
            continue
        try:
            taken = _take(
                connection, home, mappings, claimed, run, delivery, now(), settings.landing.max_unpacked_bytes
            )
        except BaseException:
            archive.put_back(home, claimed)
            raise
        _finish(connection, home, claimed.path, taken)
        delivery += len(taken)
        done += taken
        for each in taken:
            progress(f"{number}/{len(files)} {each.file_name}: {each.status}, {each.rows_read} rows")
    return LoadReport(run, tuple(done))


def load_again(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    now: Callable[[], datetime],
    shipped_sources: Path,
    wanted: str,
) -> LoadReport:
    """Load known bytes on purpose, as what they were loaded as before: a new delivery of the file in archive/.

    wanted: a file of the same bytes, the path below LANDING under which they came, or the hash (its beginning will do).
    Raises AmkpiError when no such bytes were loaded, or they cannot be loaded any more.
    """
    mappings = {
        each.name: each
        for each in apply.load_mappings(shipped_sources, home.sources if home.sources.is_dir() else None)
    }
    create_tables(connection)
    _check_not_behind(connection, home)
    _settle(connection, home)
    known = _loaded_before(connection, wanted)
    run, number = _next_numbers(connection)
    moment = now()
    taken = [
        replace(each, delivery=number + offset, run=run, loaded_at=moment, rows_read=0)
        for offset, each in enumerate(known)
    ]
    connection.begin()
    try:
        for place, delivery in enumerate(taken):
            count = _insert_archived(connection, home, mappings, delivery, settings.landing.max_unpacked_bytes)
            taken[place] = replace(delivery, rows_read=count)
            _enter(connection, taken[place])
        connection.commit()
    except BaseException:
        _roll_back(connection)
        raise
    _finish(connection, home, None, taken)
    return LoadReport(run, tuple(taken))


def _loaded_before(connection: duckdb.DuckDBPyConnection, wanted: str) -> list[Delivery]:
    """The last delivery of the wanted bytes as each extract and source."""
    path = Path(wanted)
    given = examine(path, 0).sha256 if path.is_file() else wanted.lower()
    rows = connection.execute(
        f"""
        select {_LEDGER} from raw.ledger
        where status = 'loaded' and (sha256 = $given or file_name = $wanted
            or (length($given) >= {_SHORTEST_HASH} and starts_with(sha256, $given)))
        order by delivery
        """,
        {"given": given, "wanted": wanted},
    ).fetchall()
    found = [Delivery(*row) for row in rows]
    if not found:
        raise AmkpiError(f"no loaded file is {wanted}: say its path, its name below LANDING, or its hash in the ledger")
    if found[-1].file_name == wanted and given == wanted.lower():
        # Of files of one name, the last.
        found = [each for each in found if each.sha256 == found[-1].sha256]
    if len({each.sha256 for each in found}) > 1:
        raise AmkpiError(f"{wanted} begins the hash of several files: say more of it")
    return list({(each.extract, each.source): each for each in found}.values())


def replay(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    shipped_sources: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> int:
    """Fill an empty warehouse from archive/ and the journal, each file as it was loaded then; returns the deliveries.

    Raises AmkpiError when an archived file or its mapping is gone, or reads otherwise than it did.
    """
    mappings = {
        each.name: each
        for each in apply.load_mappings(shipped_sources, home.sources if home.sources.is_dir() else None)
    }
    create_tables(connection)
    deliveries = delivery_log.read(home.state)
    for number, delivery in enumerate(deliveries, 1):
        connection.begin()
        try:
            if delivery.status == "loaded":
                # It was within the limit of its day.
                count = _insert_archived(connection, home, mappings, delivery, sys.maxsize)
                if count != delivery.rows_read:
                    raise AmkpiError(
                        f"{delivery.file_name} had {delivery.rows_read} rows when it was loaded as {delivery.extract},"
                        f" and has {count} now"
                    )
            _enter(connection, delivery)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        progress(f"{number}/{len(deliveries)} {delivery.file_name}")
    _mark_settled(connection, deliveries)
    return len(deliveries)


def _insert_archived(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    mappings: dict[str, apply.Mapping],
    delivery: Delivery,
    limit: int,
) -> int:
    """Insert the rows of the delivery from archive/; returns how many. Raises AmkpiError."""
    assert delivery.sha256 is not None
    path = archived(home, delivery.sha256, delivery.file_name)
    if not path.is_file():
        raise AmkpiError(f"{path} is gone: bring back archive/ from its backup ({delivery.file_name} lay there)")
    if delivery.source is not None and delivery.source not in mappings:
        raise AmkpiError(f"no source mapping {delivery.source}: bring it back to read {delivery.file_name} again")
    source = mappings[delivery.source] if delivery.source else None
    content = examine(path, limit)
    if content.sha256 != delivery.sha256:
        raise AmkpiError(f"{path} is damaged: bring it back from its backup ({delivery.file_name} lay there)")
    try:
        return _insert_as(connection, path, content, delivery, source, limit)
    except Unreadable as error:
        raise AmkpiError(f"{path} cannot be read any more as {delivery.extract}: {error}") from error


def _check_not_behind(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """A warehouse that knows less than the journal was lost or replaced: going on would publish half an agency."""
    known = {row[0] for row in connection.execute("select delivery from raw.ledger").fetchall()}
    if any(delivery.delivery not in known for delivery in delivery_log.read(home.state)):
        raise AmkpiError(
            f"{home.warehouse} lacks deliveries that {home.state} remembers: run `amkpi rebuild` to load them"
            " again from archive/"
        )


def _next_numbers(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    row = connection.execute("select coalesce(max(run), 0) + 1, coalesce(max(delivery), 0) + 1 from raw.ledger")
    run, delivery = row.fetchone() or (1, 1)
    return run, delivery


def _take(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    mappings: tuple[apply.Mapping, ...],
    claimed: Seen,
    run: int,
    first_delivery: int,
    moment: datetime,
    limit: int,
) -> list[Delivery]:
    """Take one claimed file: all that it yields in one transaction."""
    content, refusal = _examined(claimed, limit)
    targets = [] if refusal else _targets(claimed.name, mappings)
    arrived = Delivery(
        first_delivery, run, claimed.name, None, None, content.sha256, content.size, "loaded", None, 0, moment
    )
    taken: list[Delivery] = []
    try:
        connection.begin()
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
            _enter(connection, taken[-1])
        connection.commit()
    except duckdb.Error as error:
        _roll_back(connection)
        said = " ".join(str(error).split("\n", 1)[0].split())
        raise AmkpiError(f"{claimed.name} could not be taken, and waits for the next run: {said}") from error
    except BaseException:
        _roll_back(connection)
        raise
    return taken


def _examined(claimed: Seen, limit: int) -> tuple[Content, str | None]:
    """A look at the file, and why it cannot be taken whatever is in it."""
    if not claimed.is_file:
        # A link is never followed: where it leads is not LANDING.
        link = os.fsencode(claimed.path.readlink()) if claimed.path.is_symlink() else b""
        what = "a link to elsewhere" if link else "no file"
        return Content(hashlib.sha256(link).hexdigest(), 0, ""), f"this is {what}: deliver the file itself"
    try:
        return examine(claimed.path, limit), None
    except OSError as error:
        nothing = Content(hashlib.sha256(b"").hexdigest(), claimed.size, "")
        return nothing, f"cannot be read ({error.strerror}): give amkpi the right to read it, and deliver it again"


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    # After a failed commit there is nothing to roll back, and DuckDB says so.
    with suppress(duckdb.Error):
        connection.rollback()


def _finish(connection: duckdb.DuckDBPyConnection, home: Home, path: Path | None, taken: list[Delivery]) -> None:
    """What follows once the rows are in: the journal, then the file to where it stays, then the mark."""
    delivery_log.write(home.state, taken)
    if path is not None:
        archive.keep(home, path, taken)
    _mark_settled(connection, taken)


def _targets(name: str, mappings: tuple[apply.Mapping, ...]) -> list[tuple[str, apply.Mapping | None]]:
    folder = name.split("/", 1)[0] if "/" in name else None
    if folder in EXTRACTS:
        return [(folder, None)]
    return [(each.extract, each) for each in mappings if each.takes(name)]


def _take_as(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    content: Content,
    delivery: Delivery,
    source: apply.Mapping | None,
    limit: int,
) -> Delivery:
    """Load the file as one extract within the caller's transaction, and enter it in the ledger."""
    assert delivery.extract is not None
    extract = EXTRACTS[delivery.extract]
    if _is_known(connection, delivery, source):
        result = replace(delivery, status="duplicate", reason="the same bytes were loaded before")
    else:
        try:
            result = replace(delivery, rows_read=_insert_as(connection, path, content, delivery, source, limit))
        except Unreadable as error:
            # What was inserted before the file broke off goes again: never half loaded.
            for schema in ("raw", "parsed"):
                connection.execute(f"delete from {schema}.{extract.name} where _delivery = ?", [delivery.delivery])
            result = replace(delivery, status="rejected", reason=_in_one_line(str(error)))
    _enter(connection, result)
    return result


def _in_one_line(reason: str) -> str:
    """A reason that may quote what is in a file, for a person's screen."""
    plain = "".join(ch if ch.isprintable() else " " for ch in reason)
    short = " ".join(plain.split())
    return short if len(short) <= _LONGEST_REASON else short[: _LONGEST_REASON - 2] + " …"


def _is_known(connection: duckdb.DuckDBPyConnection, delivery: Delivery, source: apply.Mapping | None) -> bool:
    """Whether the same bytes were loaded before as the same; a snapshot that comes back after another is news."""
    if source is not None and source.snapshot:
        return snapshots.is_last(connection, delivery)
    known = connection.execute(
        "select 1 from raw.ledger where extract = ? and sha256 = ? and status = 'loaded'"
        " and source is not distinct from ?",
        [delivery.extract, delivery.sha256, delivery.source],
    ).fetchall()
    return bool(known)


def _insert_as(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    content: Content,
    delivery: Delivery,
    source: apply.Mapping | None,
    limit: int,
) -> int:
    """Insert the file's rows, and what its absence of rows says; returns how many rows. Raises Unreadable."""
    extract = EXTRACTS[delivery.extract or ""]
    count = insert(connection, extract, open_rows(path, content, extract, source, limit), delivery)
    if source is not None and source.snapshot:
        snapshots.delete_missing(connection, extract, delivery)
    return count


def _enter(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    connection.execute(
        "insert into raw.ledger values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, false)",
        [
            delivery.delivery,
            delivery.run,
            delivery.file_name,
            delivery.extract,
            delivery.source,
            delivery.sha256,
            delivery.bytes,
            delivery.status,
            delivery.reason,
            delivery.rows_read,
            delivery.loaded_at,
        ],
    )


def _mark_settled(connection: duckdb.DuckDBPyConnection, deliveries: Iterable[Delivery]) -> None:
    for delivery in deliveries:
        connection.execute("update raw.ledger set settled = true where delivery = ?", [delivery.delivery])


def _settle(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Finish what a cut-off run began: journal and put away the files whose rows are in already."""
    journaled = {delivery.delivery for delivery in delivery_log.read(home.state)}
    rows = connection.execute(f"select {_LEDGER}, settled from raw.ledger order by delivery").fetchall()
    # A journal that was lost is written anew: a warehouse cannot be rebuilt without it.
    delivery_log.write(home.state, [Delivery(*row[:-1]) for row in rows if row[0] not in journaled])
    files: dict[tuple[int, str, str | None], list[Delivery]] = {}
    for *values, settled in rows:
        delivery = Delivery(*values)
        if not settled:
            files.setdefault((delivery.run, delivery.file_name, delivery.sha256), []).append(delivery)
    claimed = archive.left_over(home) if files else []
    for deliveries in files.values():
        first = deliveries[0]
        path = next(
            (
                seen.path
                for seen in claimed
                if seen.name == first.file_name and _examined(seen, 0)[0].sha256 == first.sha256
            ),
            None,
        )
        _finish(connection, home, path, deliveries)
