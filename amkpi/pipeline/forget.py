"""`amkpi forget`: the names of a person or a client are replaced by a pseudonym in everything that HOME keeps.

The steps follow each other under HOME's lock. Each looks for names and finds none where it was done before, so a
process that was killed is continued by the next call; until then no other command changes HOME.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amkpi.access import addresses
from amkpi.core.erasure import files as text_files
from amkpi.core.erasure import register, unfinished
from amkpi.core.erasure.register import Erasures, Subject
from amkpi.core.erasure.replacement import Replacement, contains
from amkpi.core.erasure.unfinished import Unfinished
from amkpi.core.errors import AmkpiError
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.core.run import Progress, Run, silent
from amkpi.core.storage import closing_register
from amkpi.core.storage.locking import locked
from amkpi.core.storage.migrations.state_stores import ADDRESSES, ERASURES, STORES
from amkpi.core.storage.warehouse import connect
from amkpi.exports.postgres.connection import postgres_url
from amkpi.ingestion import landing, ledger
from amkpi.ingestion.archive import claimed
from amkpi.ingestion.erasure import container
from amkpi.ingestion.erasure import subject as loaded
from amkpi.ingestion.erasure.subject import Known
from amkpi.ingestion.mappings.names import folded_cell
from amkpi.ingestion.settling import settle_killed_runs
from amkpi.ingestion.tables import create_tables
from amkpi.pipeline import steps
from amkpi.pipeline.exports import export_or_warn
from amkpi.publishing import backup, erasure
from amkpi.publishing.closing import acts
from amkpi.publishing.erasure import Intended
from amkpi.transform.spark.lake import Lake


@dataclass(frozen=True)
class ForgetReport:
    """What was replaced, or would be: a place and a count each. unreachable: what a person has to see to, in lines.

    is_done: False for a dry run. continued: an erasure that had been interrupted was brought to its end.
    """

    subject: Subject
    places: tuple[tuple[str, str], ...]
    unreachable: tuple[str, ...]
    is_done: bool
    continued: bool = False


def forget(run: Run, subject: Subject, by: str = "", write: bool = False, progress: Progress = silent) -> ForgetReport:
    """Replace the names of a subject in HOME; without `write` only say what would be replaced.

    by: who does it, for the registers. Raises AmkpiError for an unknown id, and where a file cannot be written.
    """
    with unfinished.continued(), locked(run.home, run.settings):
        record = unfinished.read(run.home)
        if record is not None and record.subject != subject:
            raise AmkpiError(
                f"another erasure was interrupted: first run `{unfinished.command(record.subject)}`, it goes on where"
                " it was"
            )
        acts.recover(run.home)
        known = None if record else _known(run, subject)
        now = record or _begun(run, subject, by, known)
        unreachable = _unreachable(run, now, known)
        lake = Lake(run.home, run.settings)
        lake.check()
        if not write:
            return ForgetReport(subject, tuple(_counted(run, now)), unreachable, is_done=False)
        # First what may be out of reach: nothing is begun then.
        lake.remove()
        unfinished.write(run.home, now)
        done = tuple(_erased(run, now, progress))
        unreachable += _left_in_archive(run, now.replacement)
        unfinished.remove(run.home)
    export_or_warn(run, progress)
    return ForgetReport(subject, done, unreachable, is_done=True, continued=record is not None)


def _known(run: Run, subject: Subject) -> Known:
    with connect(run.home, run.settings) as connection:
        create_tables(connection)
        ledger.check_not_behind(connection, run.home)
        settle_killed_runs(connection, run.home)
        return loaded.find(connection, subject)


def _begun(run: Run, subject: Subject, by: str, known: Known | None) -> Unfinished:
    assert known is not None
    # An id that is a name stays: `_unreachable` says so.
    names = [name for name in known.names if not contains(subject.id, name)]
    return Unfinished(
        kind=subject.kind,
        id=subject.id,
        by=by,
        at=run.now().isoformat(),
        names=names,
        cells=[*known.short_names, *known.titles],
        own_texts=[*known.of_others_too, *known.titles_of_others_too],
        longer=list(known.longer),
        marks=[*known.folded, folded_cell(subject.pseudonym)],
        texts=[list(text) for text in known.texts],
    )


def _erasures(run: Run, record: Unfinished) -> Erasures:
    """The register with this subject, as it will be."""
    return register.with_subject(
        register.read(run.home.state),
        record.subject,
        record.marks,
        [(extract, record, column) for extract, record, column in record.texts],
    )


def _counted(run: Run, record: Unfinished) -> Iterator[tuple[str, str]]:
    """What would be replaced, by place."""
    home, replacement = run.home, record.replacement
    erasures = _erasures(run, record)
    yield "archive", _files(loaded.erase_archive(home, run.settings, SHIPPED_MAPPINGS, erasures, None, silent))
    yield "publications", _cells(*erasure.count_publications(home, replacement))
    yield "closings", _cells(*erasure.count_closings(home, replacement))
    yield from _others(run, replacement, write=False)
    yield "warehouse", "loaded again from archive/"


def _erased(run: Run, record: Unfinished, progress: Progress) -> Iterator[tuple[str, str]]:
    """Replace the names, place by place."""
    home, replacement = run.home, record.replacement
    texts = [(extract, record, column) for extract, record, column in record.texts]
    # First of all: whatever is loaded from now on is without the names.
    register.enter(home.state, record.subject, record.by, record.moment, record.marks, texts)
    erasures = register.read(home.state)

    def replaces(path: Path) -> None:
        record.old_files.append(str(path.relative_to(home.root)))
        unfinished.write(home, record)

    def intends(path: Path, sha256: str) -> None:
        record.hashes[path.name] = sha256
        unfinished.write(home, record)

    progress("archive")
    number = loaded.erase_archive(home, run.settings, SHIPPED_MAPPINGS, erasures, replaces, progress)
    yield "archive", _files(number)
    _remove_old(run, record)
    intended = Intended(record.hashes, intends)
    progress("publications")
    group = run.settings.storage.published_group
    yield "publications", _cells(*erasure.erase_publications(home, group, replacement, intended))
    progress("closings")
    yield "closings", _cells(*erasure.erase_closings(home, replacement, record.by, record.moment, intended))
    progress("state and texts")
    yield from _others(run, replacement, write=True)
    progress("warehouse")
    deliveries = steps.rebuild(run, progress)
    for leftover in _left_by_killed(run):
        leftover.unlink()
    yield "warehouse", f"{deliveries} deliveries loaded again"


def _remove_old(run: Run, record: Unfinished) -> None:
    """Remove the files that a killed erasure had replaced and not removed yet."""
    known = {path.resolve() for path in loaded.archived_files(run.home)}
    for name in record.old_files:
        path = run.home.root / name
        if path.resolve() not in known:
            path.unlink(missing_ok=True)


def _left_by_killed(run: Run) -> list[Path]:
    """The databases that a killed build, publication or closing has left unfinished, and what DuckDB had put aside."""
    home = run.home
    in_warehouse = [path for path in home.warehouse.parent.rglob("*") if path.is_file() and path != home.warehouse]
    return [
        *(path for path in in_warehouse if ".duckdb" in path.name or ".duckdb" in path.parent.name),
        *home.published.glob(".kpi_*.duckdb.part*"),
        *home.closed.glob(".*.part*"),
    ]


def _others(run: Run, replacement: Replacement, write: bool) -> Iterator[tuple[str, str]]:
    """State stores, texts, and copies that are removed because they can be written again."""
    home = run.home
    cells = 0
    for store in STORES:
        if store is not ERASURES and store.exists(home.state):
            store.verify(home.state)
            try:
                cells += text_files.in_store(store.file(home.state), replacement, write)
            except sqlite3.Error as error:
                raise AmkpiError(f"{store.file(home.state)} cannot be used: {error}; run this again") from error
    if write and ADDRESSES.exists(home.state):
        addresses.write_published(home)
    yield "state stores", _plural(cells, "cell", "cells")
    texts = [path for path in _text_files(run) if text_files.in_text_file(path, replacement, write)]
    yield "texts (audits, logs, rejected files, …)", _files(len(texts))
    mails = [path for path in home.outbox.rglob("*") if path.is_file()]
    folders = [path for path in home.parquet.glob("*") if path.is_dir() and not path.is_symlink()]
    if write:
        shutil.rmtree(home.outbox, ignore_errors=True)
        shutil.rmtree(home.parquet, ignore_errors=True)
    yield "outbox", f"{_plural(len(mails), 'mail', 'mails')}, removed"
    yield (
        "Parquet",
        f"{_plural(len(folders), 'publication', 'publications')}, removed; the current one is written again",
    )


def _text_files(run: Run) -> list[Path]:
    """The files of HOME that no other step replaces, and that may be texts."""
    home = run.home
    own = (
        home.archive, home.landing, home.closed, home.outbox, home.parquet, home.lake, home.sources,
        steps.backup_folder(run),
    )  # fmt: skip
    not_texts = {home.settings_file, unfinished.path(home), closing_register.path(home), home.state / "lock"}
    found = []
    for path in sorted(home.root.rglob("*")):
        is_own = any(path.is_relative_to(folder) for folder in own) or path in not_texts
        if path.is_file() and not path.is_symlink() and not is_own and not _is_database(path):
            found.append(path)
    return found


def _is_database(path: Path) -> bool:
    return path.suffix in (".duckdb", ".wal", ".sqlite") or path.name.endswith(("-wal", "-record", "-shm"))


def _unreachable(run: Run, record: Unfinished, known: Known | None) -> tuple[str, ...]:
    """What this command does not change, in the order of its weight."""
    home, replacement = run.home, record.replacement
    found = [
        "the system that delivers the name (CRM, HR): it sends it again; each load replaces it, but ask for it to be"
        " erased there",
        "mails that were sent, and files that readers have made: pages, query results, exports, copies of publications",
        "logs and history of Airflow, and readers who have a publication open: they keep it until they open it again",
    ]
    old = backup.backups(steps.backup_folder(run))
    if old:
        found.append(
            f"{_plural(len(old), 'backup', 'backups')} in {steps.backup_folder(run)}: remove them when there is a new"
            " one; after a restore of one of them, run this command again"
        )
    if postgres_url(run.settings):
        found.append("PostgreSQL: `amkpi run` replaces the rows; then VACUUM FULL there, and see to its own backups")
    if Lake(home, run.settings).is_bucket:
        found.append("the bucket of the lake: its files are removed; older versions stay, if it keeps any")
    waiting = len(landing.waiting(home.landing)) + len(claimed(home)) if home.landing.is_dir() else 0
    if waiting:
        found.append(f"{_files(waiting)} in {home.landing}: the next load takes them without the names")
    own_files = [home.settings_file, *home.sources.rglob("*"), closing_register.path(home)]
    for path in own_files:
        if path.is_file() and text_files.in_text_file(path, replacement, write=False):
            why = "who closed a period is evidence" if path == closing_register.path(home) else "change it by hand"
            found.append(f"{path}: {why}")
    for path in _text_files(run):
        is_doubtful = path.is_relative_to(home.rejected) or ".replaced-" in path.name
        if is_doubtful and text_files.in_text_file(path, replacement, write=False) is None:
            found.append(f"{path}: this cannot be looked into; remove it if it has the name")
    if known and (known.short_names or known.of_others_too):
        names = ", ".join((*known.short_names, *known.of_others_too))
        found.append(
            f"texts with {names} in them: one word, or of others too; it is replaced only where it is a whole cell"
        )
    if known and any(contains(record.id, name) for name in (*known.names, *known.short_names)):
        found.append(
            f"the id {record.id} is the name itself: ids are exact; give another id in the system it comes from"
        )
    return tuple(found)


def _left_in_archive(run: Run, replacement: Replacement) -> tuple[str, ...]:
    """The files of archive/ in which a name stays, because its cell also gives an id or decides a filter."""
    return tuple(
        f"{path}: a column with the name gives an id too, or a filter of its mapping goes by it"
        for path in sorted(run.home.archive.rglob(f"*{container.ENDING}"))
        if text_files.in_text_file(path, replacement, write=False)
    )


def _cells(number: int, cells: int) -> str:
    return f"{_files(number)}, {_plural(cells, 'cell', 'cells')}"


def _files(number: int) -> str:
    return _plural(number, "file", "files")


def _plural(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
