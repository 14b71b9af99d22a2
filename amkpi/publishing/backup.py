"""Backup and restore of what cannot be computed anew: archive/, state/, sources/ and the settings file.

A backup is a folder of its own, `<backup_dir>/<UTC moment>/`, that is whole or not there: written aside, checked, and
renamed. `manifest.json` names every file with its size and SHA-256. It may be made while the pipeline works: the SQLite
stores are copied by their own backup, first, and archive/ after them, whose files never change. What an earlier backup
holds already is linked, not copied: a night costs what came that day.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from amkpi import __version__
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage.migrations.state_stores import DELIVERY_LOG
from amkpi.ingestion import delivery_log
from amkpi.ingestion.archive import archived

MANIFEST = "manifest.json"
_MOMENT = "%Y%m%dT%H%M%SZ"
_ASIDE = ".part-"
_CHUNK = 1024 * 1024
# What SQLite keeps beside a store while it is written; its own backup has it already.
_BESIDE_SQLITE = ("-wal", "-shm", "-journal")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BackupReport:
    """A backup: its folder, how many files and bytes it holds, and how many of the files an earlier one had."""

    folder: Path
    files: int
    bytes: int
    linked: int


@dataclass(frozen=True)
class _Kept:
    bytes: int
    sha256: str


def backup(home: Home, target: Path, moment: datetime, progress: Progress = lambda line: None) -> BackupReport:
    """Write a backup of the home below `target`; `moment` is aware and names it.

    Raises AmkpiError where something cannot be read or written, or archive/ lacks or has damaged what state/ remembers.
    """
    name = moment.astimezone(UTC).strftime(_MOMENT)
    folder, aside = target / name, target / f"{_ASIDE}{name}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        for leftover in target.glob(f"{_ASIDE}*"):
            shutil.rmtree(leftover)
        if folder.exists():
            raise AmkpiError(f"{folder} is there already: wait a second, and try again")
        aside.mkdir(mode=0o700)
        try:
            report = _write(home, aside, _newest(target), moment, progress)
            _check_whole(aside)
            aside.rename(folder)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        _sync(target)
    except (OSError, sqlite3.Error) as error:
        raise AmkpiError(f"no backup was made in {target}: {error}") from error
    return BackupReport(folder, *report)


def backups(target: Path) -> list[Path]:
    """The backups below `target`, the newest first."""
    found = [path.parent for path in target.glob(f"*/{MANIFEST}") if not path.parent.name.startswith(_ASIDE)]
    return sorted(found, key=lambda folder: folder.name, reverse=True)


def prune(target: Path, keep_days: int, moment: datetime) -> int:
    """Remove the backups that are older than so many days, but never the newest; returns how many went."""
    oldest = (moment - timedelta(days=keep_days)).astimezone(UTC).strftime(_MOMENT)
    gone = [folder for folder in backups(target)[1:] if folder.name < oldest]
    for folder in gone:
        shutil.rmtree(folder)
    return len(gone)


def restore(folder: Path, home: Home, progress: Progress = lambda line: None) -> int:
    """Put a backup into an empty home; returns how many files. The warehouse is to be rebuilt from it.

    Empty is a home without files, but for those that wait below its landing/, and the published/ that readers go on
    reading. Everything is checked before the first file is written. Raises AmkpiError, naming the file, for a backup
    that is damaged or not whole.
    """
    kept = _read(folder)
    _refuse_what_is_there(home)
    aside = home.root / f"{_ASIDE}restore"
    try:
        if aside.exists():
            shutil.rmtree(aside)  # of a restore that was cut off
        for number, (name, expected) in enumerate(sorted(kept.items()), 1):
            copy = aside / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if _copied(folder / name, copy) != expected:
                raise AmkpiError(f"{folder / name} is damaged: nothing was restored; take another backup")
            progress(f"{number}/{len(kept)} {name}")
        for name in kept:
            place = home.root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            (aside / name).rename(place)
        shutil.rmtree(aside)
    except OSError as error:
        raise AmkpiError(f"cannot restore into {home.root}: {error}; empty it, and try again") from error
    except AmkpiError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return len(kept)


def _write(home: Home, aside: Path, before: Path | None, moment: datetime, progress: Progress) -> tuple[int, int, int]:
    """Write files and manifest; returns files, bytes, and how many were linked."""
    kept: dict[str, _Kept] = {}
    old = _read(before, check=False) if before else {}
    linked = 0
    for path, name in _state_files(home):
        copy = aside / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".sqlite":
            _copy_sqlite(path, copy)
            kept[name] = _fingerprint(copy)
        else:
            kept[name] = _copied(path, copy)
    for path, name in _other_files(home):
        copy = aside / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        is_archived = name.startswith("archive/")
        if is_archived and before and name in old and _linked(before / name, copy, old[name]):
            kept[name] = old[name]
            linked += 1
            continue
        try:
            kept[name] = _copied(path, copy)
        except FileNotFoundError:
            continue  # a claimed file that went on its way meanwhile; what must be there is checked below
        if is_archived and not name.startswith("archive/.") and not path.name.startswith(kept[name].sha256):
            raise AmkpiError(f"{path} is damaged: its content is not what its name says; bring it back from a backup")
        progress(name)
    _check_deliveries(aside, home)
    manifest = {
        "made_at": moment.astimezone(UTC).isoformat(),
        "version": __version__,
        "files": {name: {"bytes": each.bytes, "sha256": each.sha256} for name, each in sorted(kept.items())},
    }
    with (aside / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    return len(kept), sum(each.bytes for each in kept.values()), linked


def _state_files(home: Home) -> Iterator[tuple[Path, str]]:
    """state/ but its locks. First: what comes after it in archive/ is more than it remembers, never less."""
    for path in sorted(home.state.rglob("*")):
        is_lock = path.name == "lock" or path.suffix == ".lock"
        if path.is_file() and not is_lock and not path.name.endswith(_BESIDE_SQLITE):
            yield path, path.relative_to(home.root).as_posix()


def _other_files(home: Home) -> Iterator[tuple[Path, str]]:
    for folder in (home.archive, home.sources):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path, path.relative_to(home.root).as_posix()
    if home.settings_file.is_file():
        yield home.settings_file, home.settings_file.relative_to(home.root).as_posix()


def _copy_sqlite(path: Path, copy: Path) -> None:
    """A consistent copy, whoever writes meanwhile."""
    with closing(sqlite3.connect(path, timeout=30)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        (verdict,) = target.execute("pragma integrity_check").fetchone()
        if verdict != "ok":
            raise AmkpiError(f"{path} is damaged: {verdict}; bring it back from a backup")


def _copied(path: Path, copy: Path) -> _Kept:
    """Copy the file; returns what was read."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source, copy.open("wb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return _Kept(size, digest.hexdigest())


def _linked(path: Path, copy: Path, expected: _Kept) -> bool:
    """Link what an earlier backup holds, if it holds it still and the file system has links."""
    with suppress(OSError):
        if path.stat().st_size == expected.bytes:
            os.link(path, copy)
            return True
    return False


def _fingerprint(path: Path) -> _Kept:
    with path.open("rb") as file:
        return _Kept(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _check_deliveries(aside: Path, home: Home) -> None:
    """Every file that the copied delivery log has as loaded must be in the copied archive. Raises AmkpiError."""
    copy = Home.at(aside)
    if not DELIVERY_LOG.exists(copy.state):
        return
    for each in delivery_log.read(copy.state):
        if each.status == "loaded" and each.sha256 and not archived(copy, each.sha256, each.file_name).is_file():
            raise AmkpiError(
                f"{archived(home, each.sha256, each.file_name)} is gone, or a run is just putting it there"
                f" ({each.file_name}): if it stays so after `amkpi load`, bring it back from a backup"
            )


def _check_whole(aside: Path) -> None:
    """Read back what was written. What was linked was read when it was copied, and is read again by a restore."""
    for name, expected in _read(aside, check=False).items():
        path = aside / name
        if path.stat().st_nlink == 1 and _fingerprint(path) != expected:
            raise AmkpiError(f"{path} was not written as it was read: look after the disk below {aside.parent}")


def _read(folder: Path, check: bool = True) -> dict[str, _Kept]:
    """The manifest; with `check`, every file is read and compared. Raises AmkpiError."""
    path = folder / MANIFEST
    try:
        files = json.loads(path.read_text("utf-8"))["files"]
        kept = {str(name): _Kept(int(each["bytes"]), str(each["sha256"])) for name, each in files.items()}
    except FileNotFoundError as error:
        raise AmkpiError(f"{folder} is no backup: it has no {MANIFEST}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AmkpiError(f"{path} is damaged: take another backup") from error
    for name in kept:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise AmkpiError(f"{path} is damaged: it names {name!r}, which lies elsewhere")
    if check:
        for name, expected in kept.items():
            try:
                found = _fingerprint(folder / name)
            except OSError as error:
                raise AmkpiError(f"{folder / name} is gone from the backup ({error.strerror}): take another") from error
            if found != expected:
                raise AmkpiError(f"{folder / name} is damaged: nothing was restored; take another backup")
    return kept


def _newest(target: Path) -> Path | None:
    """The last backup whose manifest can be read: a damaged one must not keep a new one from being made."""
    for folder in backups(target):
        with suppress(AmkpiError):
            _read(folder, check=False)
            return folder
    return None


def _refuse_what_is_there(home: Home) -> None:
    for path in sorted(home.root.rglob("*")) if home.root.is_dir() else []:
        parts = path.relative_to(home.root).parts
        if not path.is_dir() and parts[0] not in ("landing", "published", f"{_ASIDE}restore"):
            raise AmkpiError(f"{home.root} is not empty ({path} is there): restore into an empty folder, and move it")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
