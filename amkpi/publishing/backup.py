"""Backup and restore of what cannot be computed again: archive/, state/, closed/, sources/ and the settings file.

A backup is a folder, `<backup_dir>/<UTC moment>/`. It is written under a temporary name, checked, and renamed, so it
is either complete or does not exist. `manifest.json` names every file with its size and SHA-256. A backup may run while
the pipeline works: first SQLite copies the state stores by its own backup, then the files of archive/ are copied, which
never change. Files that the previous backup has already are linked, so a nightly backup copies only what is new.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from amkpi import __version__
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage import closing_register
from amkpi.core.storage.state_store import SIDE_FILES
from amkpi.ingestion import delivery_log
from amkpi.ingestion.archive import archived

MANIFEST = "manifest.json"
_MOMENT = "%Y%m%dT%H%M%SZ"
# The prefix of a backup that is not complete yet.
_PARTIAL = ".part-"
_CHUNK = 1024 * 1024

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BackupReport:
    """A backup: its folder, the number of its files and bytes, and how many files are links to the previous backup."""

    folder: Path
    files: int
    bytes: int
    linked: int


@dataclass(frozen=True)
class _Content:
    """The size and the hash of a file."""

    bytes: int
    sha256: str


def backup(home: Home, target: Path, moment: datetime, progress: Progress = lambda line: None) -> BackupReport:
    """Write a backup of the home below `target`. It is named by `moment`, which has a time zone.

    Raises AmkpiError if a file cannot be read or written, or if a file that the delivery log knows is missing from
    archive/ or damaged.
    """
    name = moment.astimezone(UTC).strftime(_MOMENT)
    folder, partial = target / name, target / f"{_PARTIAL}{name}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        for leftover in target.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover)
        if folder.exists():
            raise AmkpiError(f"{folder} exists already: wait a second and try again")
        partial.mkdir(mode=0o700)
        try:
            report = _write(home, partial, _newest(target), moment, progress)
            _check_copies(partial)
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _sync(target)
    except (OSError, sqlite3.Error) as error:
        raise AmkpiError(f"no backup was made in {target}: {error}") from error
    return BackupReport(folder, *report)


def backups(target: Path) -> list[Path]:
    """The backups below `target`, the newest first."""
    found = [path.parent for path in target.glob(f"*/{MANIFEST}") if not path.parent.name.startswith(_PARTIAL)]
    return sorted(found, key=lambda folder: folder.name, reverse=True)


def prune(target: Path, keep_days: int, moment: datetime) -> int:
    """Remove backups older than `keep_days`, but never the newest one; returns how many were removed."""
    oldest = (moment - timedelta(days=keep_days)).astimezone(UTC).strftime(_MOMENT)
    old = [folder for folder in backups(target)[1:] if folder.name < oldest]
    for folder in old:
        shutil.rmtree(folder)
    return len(old)


def restore(folder: Path, home: Home, progress: Progress = lambda line: None) -> int:
    """Copy a backup into an empty home; returns the number of files. The caller then rebuilds the warehouse.

    A home counts as empty if it has no files outside of landing/ and published/: files may wait in LANDING, and readers
    may still read publications. All files of the backup are checked before the first one is written. Raises AmkpiError,
    with the name of the file, for a backup that is damaged or incomplete.
    """
    contents = _read(folder)
    _check_empty(home)
    partial = home.root / f"{_PARTIAL}restore"
    try:
        if partial.exists():
            shutil.rmtree(partial)  # left by a restore that was killed
        for number, (name, expected) in enumerate(sorted(contents.items()), 1):
            copy = partial / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if _copied(folder / name, copy) != expected:
                raise AmkpiError(f"{folder / name} is damaged: nothing was restored; use another backup")
            progress(f"{number}/{len(contents)} {name}")
        for name in contents:
            place = home.root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            (partial / name).rename(place)
            if place.parent == home.closed:
                place.chmod(0o444)
        shutil.rmtree(partial)
    except OSError as error:
        raise AmkpiError(f"cannot restore into {home.root}: {error}; empty the folder and try again") from error
    except AmkpiError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return len(contents)


@dataclass(frozen=True)
class RestoredFile:
    """One file of HOME/state/ that was brought back. made_at: of the backup.

    replaced: what was there before, if anything; it has a name with a dot, which backups leave out.
    """

    file: Path
    made_at: datetime
    replaced: Path | None


def restore_one(folder: Path, home: Home, names: Sequence[str], moment: datetime) -> RestoredFile:
    """Bring one file of HOME/state/ back from a backup; the caller holds HOME's lock.

    names: its name, and the one that it had before; moment: is in the name of what is replaced. Raises AmkpiError for a
    backup that does not have the file, or whose copy is damaged; then nothing is changed.
    """
    contents = _read(folder, check=False)
    found = [name for name in names if name and f"state/{name}" in contents]
    if not found:
        raise AmkpiError(f"{folder} has no state/{names[0]}: use another backup")
    copy, file = folder / "state" / found[0], home.state / names[0]
    partial = home.state / f"{_PARTIAL}{file.name}"
    try:
        if _copied(copy, partial) != contents[f"state/{found[0]}"]:
            raise AmkpiError(f"{copy} is damaged: nothing was restored; use another backup")
        ending = f"replaced-{moment.astimezone(UTC).strftime(_MOMENT)}"
        replaced = home.state / f".{file.name}.{ending}"
        # What SQLite keeps beside a file belongs to that file alone.
        for old in (home.state / f"{name}{side}" for name in names if name for side in ("", *SIDE_FILES)):
            if old.exists():
                old.rename(home.state / f".{old.name}.{ending}")
        partial.rename(file)
        _sync(home.state)
    except OSError as error:
        raise AmkpiError(f"cannot restore {file}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return RestoredFile(file, _made_at(folder), replaced if replaced.exists() else None)


def _made_at(folder: Path) -> datetime:
    """When a backup was made; its manifest has been read."""
    return datetime.fromisoformat(json.loads((folder / MANIFEST).read_text("utf-8"))["made_at"])


def _write(
    home: Home, partial: Path, previous: Path | None, moment: datetime, progress: Progress
) -> tuple[int, int, int]:
    """Write files and manifest; returns the number of files, of bytes, and of files that were linked."""
    contents: dict[str, _Content] = {}
    old = _read(previous, check=False) if previous else {}
    linked = 0
    stores = []
    for path, name in _state_files(home):
        copy = partial / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".sqlite":
            _copy_sqlite(path, copy)
            stores.append(name)
        else:
            contents[name] = _copied(path, copy)
    for path, name in _other_files(home):
        copy = partial / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        is_archived = name.startswith("archive/")
        # An archived file is never written again, a closing file only by an erasure.
        is_final = is_archived or (name.startswith("closed/") and name in old and _fingerprint(path) == old[name])
        if is_final and previous and name in old and _linked(previous / name, copy, old[name]):
            contents[name] = old[name]
            linked += 1
            continue
        try:
            contents[name] = _copied(path, copy)
        except FileNotFoundError:
            continue  # a claimed file that was moved meanwhile; `_check_deliveries` finds a file that must be there
        if is_archived and not name.startswith("archive/.") and not path.name.startswith(contents[name].sha256):
            raise AmkpiError(f"{path} is damaged: its content does not match its name; restore it from a backup")
        progress(name)
    _check_deliveries(partial, home)
    # After that check, which may have brought the copy of the delivery log up to date.
    contents.update((name, _fingerprint(partial / name)) for name in stores)
    _check_closings(partial, home)
    manifest = {
        "made_at": moment.astimezone(UTC).isoformat(),
        "version": __version__,
        "files": {name: {"bytes": each.bytes, "sha256": each.sha256} for name, each in sorted(contents.items())},
    }
    with (partial / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    return len(contents), sum(each.bytes for each in contents.values()), linked


def _state_files(home: Home) -> Iterator[tuple[Path, str]]:
    """The files of state/ without locks. They are copied first: archive/ and closed/ then have all they mention."""
    for path in sorted(home.state.rglob("*")):
        is_lock = path.name.startswith(".") or path.name == "lock" or path.suffix == ".lock"
        if path.is_file() and not is_lock and not path.name.endswith(SIDE_FILES):
            yield path, path.relative_to(home.root).as_posix()


def _other_files(home: Home) -> Iterator[tuple[Path, str]]:
    for folder in (home.archive, home.closed, home.sources):
        for path in sorted(folder.rglob("*")):
            is_partial = folder == home.closed and path.name.startswith(".")
            if path.is_file() and not path.is_symlink() and not is_partial:
                yield path, path.relative_to(home.root).as_posix()
    if home.settings_file.is_file():
        yield home.settings_file, home.settings_file.relative_to(home.root).as_posix()


def _copy_sqlite(path: Path, copy: Path) -> None:
    """Make a consistent copy, even if another process writes meanwhile. Raises AmkpiError if the file is damaged."""
    try:
        with closing(sqlite3.connect(path, timeout=30)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            (verdict,) = target.execute("pragma integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        # A damaged file, or one that is busy, or that may not be read.
        verdict = str(error)
    if not path.stat().st_size:
        verdict = "it is empty"
    if verdict != "ok":
        why = " ".join(verdict.split())
        raise AmkpiError(f"no backup was made: {path} cannot be copied: {why}; `amkpi status` has the remedy")


def _copied(path: Path, copy: Path) -> _Content:
    """Copy the file; returns the size and hash of what was read."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source, copy.open("wb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return _Content(size, digest.hexdigest())


def _linked(path: Path, copy: Path, expected: _Content) -> bool:
    """Link to a file of the previous backup; False if it is gone or the file system has no links."""
    with suppress(OSError):
        if path.stat().st_size == expected.bytes:
            os.link(path, copy)
            return True
    return False


def _fingerprint(path: Path) -> _Content:
    with path.open("rb") as file:
        return _Content(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _check_deliveries(partial: Path, home: Home) -> None:
    """Every file that the copied delivery log has as loaded must be in the copied archive. Raises AmkpiError."""
    copy = Home.at(partial)
    for each in delivery_log.read(copy.state):
        if each.status == "loaded" and each.sha256 and not archived(copy, each.sha256, each.file_name).is_file():
            raise AmkpiError(
                f"{archived(home, each.sha256, each.file_name)} is missing, or a run is just writing it"
                f" ({each.file_name}): if it is still missing after `amkpi load`, restore it from a backup"
            )


def _check_closings(partial: Path, home: Home) -> None:
    """Every act of the copied register must have its file in the copy, as it was closed. Raises AmkpiError."""
    copy = Home.at(partial)
    register = closing_register.read(copy)
    for act in register.acts:
        file = act.file(copy)
        if not file.is_file() or _fingerprint(file).sha256 != register.file_hash(act):
            raise AmkpiError(f"{act.file(home)} is missing or was altered: restore it from an earlier backup")


def _check_copies(partial: Path) -> None:
    """Compare the copied files with the manifest. Linked files were compared when they were copied."""
    for name, expected in _read(partial, check=False).items():
        path = partial / name
        if path.stat().st_nlink == 1 and _fingerprint(path) != expected:
            raise AmkpiError(f"{path} differs from what was written: check the disk below {partial.parent}")


def _read(folder: Path, check: bool = True) -> dict[str, _Content]:
    """The files of the manifest. check: also read and compare every file. Raises AmkpiError."""
    path = folder / MANIFEST
    try:
        files = json.loads(path.read_text("utf-8"))["files"]
        contents = {str(name): _Content(int(each["bytes"]), str(each["sha256"])) for name, each in files.items()}
    except FileNotFoundError as error:
        raise AmkpiError(f"{folder} is not a backup: it has no {MANIFEST}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AmkpiError(f"{path} is damaged: use another backup") from error
    for name in contents:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise AmkpiError(f"{path} is damaged: it names {name!r}, which is outside of the backup")
    if check:
        for name, expected in contents.items():
            try:
                found = _fingerprint(folder / name)
            except OSError as error:
                raise AmkpiError(f"{folder / name} is missing ({error.strerror}): use another backup") from error
            if found != expected:
                raise AmkpiError(f"{folder / name} is damaged: nothing was restored; use another backup")
    return contents


def _newest(target: Path) -> Path | None:
    """The newest backup with a readable manifest. A damaged backup must not prevent a new one."""
    for folder in backups(target):
        with suppress(AmkpiError):
            _read(folder, check=False)
            return folder
    return None


def _check_empty(home: Home) -> None:
    for path in sorted(home.root.rglob("*")) if home.root.is_dir() else []:
        parts = path.relative_to(home.root).parts
        if not path.is_dir() and parts[0] not in ("landing", "published", f"{_PARTIAL}restore"):
            raise AmkpiError(f"{home.root} is not empty (it has {path}): restore into an empty folder")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
