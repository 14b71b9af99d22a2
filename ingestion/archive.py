"""Where a delivered file is, from LANDING to its final place. Every step is one rename; no file is ever deleted.

A file is first claimed: moved to `archive/.incoming/`, where its sender can no longer replace it. From there it goes to
archive/, named by the hash of its content, or to rejected/ with its reason next to it. A run that is killed leaves its
files claimed, and the next run continues with them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from pathlib import Path, PurePosixPath

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.erasure import container
from amkpi.ingestion.landing import LandingFile, look, shown
from amkpi.ingestion.readers import Content, examine
from amkpi.ingestion.readers.decompression import ending

_REASON = ".reason.json"
# Most file systems allow 255 bytes; the ending of the reason file and a number need room.
_LONGEST_NAME = 220


def archived(home: Home, sha256: str, file_name: str) -> Path:
    """The place of a file with this content in archive/; it keeps its ending, which tells the format.

    Of a file in which names were replaced, the place of its rows.
    """
    erased = erased_place(home, sha256)
    return erased if erased.exists() else home.archive / sha256[:2] / (sha256 + ending(file_name))


def erased_place(home: Home, sha256: str) -> Path:
    """The place in archive/ of the rows of a file in which names were replaced."""
    return home.archive / sha256[:2] / (sha256 + container.ENDING)


def incoming(home: Home) -> Path:
    """The folder of the claimed files."""
    return home.archive / ".incoming"


def claim(home: Home, seen: LandingFile, number: int) -> LandingFile | None:
    """Move the file to where its sender cannot change it; `number` gives its place among the claimed files.

    None if it went away or changed since it was looked at: it is then left, or released, for the next run. Raises
    AmkpiError if it cannot be moved.
    """
    if seen.path.is_relative_to(incoming(home)):
        return seen  # a run that was killed has claimed it
    # A file that a killed run has claimed may have this place: it must not be replaced.
    while os.path.lexists(target := incoming(home) / str(number) / seen.path.relative_to(home.landing)):
        number += 1
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(seen, target)
    except FileNotFoundError:
        _tidy(home, target)
        return None
    except OSError as error:
        raise AmkpiError(
            f"cannot move {seen.path} to {target.parent}: {error.strerror}: give amkpi write access to both folders"
        ) from error
    claimed = replace(seen, path=target)
    # On another file system the copy is a new file; the original was looked at again before it was removed.
    if seen.is_at(target) or look(target, seen.name).inode != seen.inode:
        return look(target, seen.name)
    release(home, claimed)
    return None


def _move(seen: LandingFile, target: Path) -> None:
    try:
        seen.path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # LANDING is on another file system: the copy must be complete before the original is removed.
        partial = target.with_name(f".{target.name}"[:_LONGEST_NAME] + ".part")
        shutil.copy2(seen.path, partial, follow_symlinks=False)
        if not partial.is_symlink():
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        if not seen.unchanged():
            partial.unlink()
            raise FileNotFoundError(errno.ENOENT, "it changed while it was copied", str(seen.path)) from error
        partial.replace(target)
        seen.path.unlink()


def examined(claimed: LandingFile, limit: int) -> tuple[Content, str | None]:
    """A first look at a claimed file, and why it cannot be taken at all (a link, no right to read). limit: in bytes."""
    if not claimed.is_file:
        # A link is never followed: it leads out of LANDING.
        link = os.fsencode(claimed.path.readlink()) if claimed.path.is_symlink() else b""
        what = "a link to another place" if link else "not a file"
        return Content(hashlib.sha256(link).hexdigest(), 0, ""), f"this is {what}: deliver the file itself"
    try:
        return examine(claimed.path, limit), None
    except OSError as error:
        nothing = Content(hashlib.sha256(b"").hexdigest(), claimed.size, "")
        return nothing, f"cannot be read ({error.strerror}): give amkpi the right to read it, and deliver it again"


def release(home: Home, claimed: LandingFile) -> None:
    """Move a claimed file back to LANDING, if its name is free there; else it stays claimed for the next run."""
    relative = Path(*claimed.path.relative_to(incoming(home)).parts[1:])
    original = home.landing / relative
    with suppress(OSError):
        original.parent.mkdir(parents=True, exist_ok=True)
        # A link does not replace a file that arrived in the meantime; a rename would.
        os.link(claimed.path, original, follow_symlinks=False)
        claimed.path.unlink()
        _tidy(home, claimed.path)


def recover(home: Home) -> list[LandingFile]:
    """The files that a killed run had claimed, in the order of its claims; its unfinished copies are removed."""
    for path in _below_incoming(home):
        if _is_partial(path):
            path.unlink()  # the original is still in LANDING
    return claimed(home)


def claimed(home: Home) -> list[LandingFile]:
    """The files that a running or killed run has claimed, in the order of its claims."""
    found: list[LandingFile] = []
    for path in _below_incoming(home):
        number, *rest = path.relative_to(incoming(home)).parts
        if number.isdecimal() and rest and not _is_partial(path):
            # A running run may put the file away in the meantime.
            with suppress(FileNotFoundError):
                found.append(look(path, shown(Path(*rest))))
    return sorted(found, key=lambda seen: int(seen.path.relative_to(incoming(home)).parts[0]))


def _below_incoming(home: Home) -> Iterator[Path]:
    for folder, _, names in os.walk(incoming(home)):
        yield from (Path(folder) / name for name in names)


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".part")


def store(home: Home, path: Path, deliveries: Sequence[Delivery]) -> None:
    """Move a claimed file to its final place: archive/ if any extract took it, else rejected/ with its reason.

    Raises AmkpiError if it cannot be moved.
    """
    first = deliveries[0]
    try:
        if any(delivery.status != "rejected" for delivery in deliveries):
            assert first.sha256 is not None
            is_erased = examine(path, 0).is_erased
            of_rows = erased_place(home, first.sha256)
            target = of_rows if is_erased else archived(home, first.sha256, first.file_name)
            target.parent.mkdir(parents=True, exist_ok=True)
        else:
            target = _rejected_place(home, deliveries)
        path.replace(target)
    except OSError as error:
        raise AmkpiError(
            f"cannot move {first.file_name} to {error.filename2 or error.filename}: {error.strerror}: fix that,"
            " and run again"
        ) from error
    _tidy(home, path)


def _rejected_place(home: Home, deliveries: Sequence[Delivery]) -> Path:
    """Write the reason file; returns the place of the file itself: with its own name, if that is free."""
    first = deliveries[0]
    reasons = {
        "file": first.file_name,
        "sha256": first.sha256,
        "rejected_at": first.loaded_at.astimezone(UTC).isoformat(),
        "reasons": [
            {"extract": delivery.extract, "source": delivery.source, "reason": delivery.reason}
            for delivery in deliveries
        ],
    }
    text = json.dumps(reasons, ensure_ascii=False, indent=2) + "\n"
    own = PurePosixPath(first.file_name)
    plain = PurePosixPath(f"{first.delivery}{ending(first.file_name)}"[:_LONGEST_NAME])
    candidates = [own, own.with_name(f"{own.stem}.{first.delivery}{own.suffix}"), plain]
    for candidate in candidates:
        target = home.rejected / candidate
        reason = target.with_name(target.name + _REASON)
        if len(os.fsencode(target.name)) > _LONGEST_NAME or os.path.lexists(target):
            continue
        with suppress(FileExistsError, NotADirectoryError):
            # A file may have the name of the folder.
            target.parent.mkdir(parents=True, exist_ok=True)
            # A run that was killed here has written this same reason.
            if not os.path.lexists(reason) or (not reason.is_symlink() and reason.read_text("utf-8") == text):
                partial = home.rejected / f".{first.delivery}{_REASON}.part"
                partial.write_text(text, encoding="utf-8")
                partial.replace(reason)
                return target
    raise AmkpiError(f"{home.rejected} already has a file {plain}: move it away, and run again")


def put_back(home: Home, deliveries: Sequence[Delivery]) -> None:
    """Move rejected files from rejected/ back to LANDING, if they are still there and their names are free."""
    wanted = {(delivery.file_name, delivery.sha256) for delivery in deliveries}
    for reason in sorted(home.rejected.rglob(f"*{_REASON}")) if wanted else ():
        file = reason.with_name(reason.name.removesuffix(_REASON))
        about = json.loads(reason.read_text("utf-8"))
        target = home.landing / str(about["file"])
        if (about["file"], about["sha256"]) in wanted and file.is_file() and not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
            reason.unlink()


def _tidy(home: Home, path: Path) -> None:
    """Remove the folders that a claimed file leaves empty."""
    for folder in path.parents:
        if folder == incoming(home):
            return
        with suppress(OSError):
            folder.rmdir()
