"""Where a delivered file lies, from LANDING to where it stays. Every step is one rename; no file is ever deleted.

A file is first claimed: moved to `archive/.incoming/`, where its sender can no longer replace it. From there it goes to
archive/ under its content, or to rejected/ beside its reason. A run that was cut off leaves it claimed, and the next
run goes on with it.
"""

from __future__ import annotations

import errno
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
from amkpi.ingestion.landing import Seen, look, shown
from amkpi.ingestion.readers.decompression import ending

_REASON = ".reason.json"
# Most file systems take 255 bytes; the reason's ending and a number need room.
_LONGEST_NAME = 220


def archived(home: Home, sha256: str, file_name: str) -> Path:
    """Where a file of this content lies in archive/; its ending stays, since it says the format."""
    return home.archive / sha256[:2] / (sha256 + ending(file_name))


def incoming(home: Home) -> Path:
    """Where claimed files lie until they are settled."""
    return home.archive / ".incoming"


def claim(home: Home, seen: Seen, number: int) -> Seen | None:
    """Move the file out of its sender's reach; `number` is that of its first delivery.

    None when it went away or changed since it was seen: it is then left, or put back, for the next run. Raises
    AmkpiError when it cannot be moved.
    """
    if seen.path.is_relative_to(incoming(home)):
        return seen  # a run that was cut off claimed it
    target = incoming(home) / str(number) / seen.path.relative_to(home.landing)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(seen, target)
    except FileNotFoundError:
        _tidy(home, target)
        return None
    except OSError as error:
        raise AmkpiError(f"cannot move {seen.path} to {target.parent}: {error.strerror}") from error
    claimed = replace(seen, path=target)
    # Over file systems the copy is another file; the original was looked at before it was let go.
    if seen.lies_at(target) or look(target, seen.name).inode != seen.inode:
        return look(target, seen.name)
    put_back(home, claimed)
    return None


def _move(seen: Seen, target: Path) -> None:
    try:
        seen.path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # LANDING lies on another file system: the copy must be whole before the original is let go.
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


def put_back(home: Home, claimed: Seen) -> None:
    """Give a claimed file back to LANDING, if its name is free there; else it stays claimed for the next run."""
    relative = Path(*claimed.path.relative_to(incoming(home)).parts[1:])
    original = home.landing / relative
    with suppress(OSError):
        original.parent.mkdir(parents=True, exist_ok=True)
        # A link refuses to replace what came meanwhile; a rename would not.
        os.link(claimed.path, original, follow_symlinks=False)
        claimed.path.unlink()
        _tidy(home, claimed.path)


def left_over(home: Home) -> list[Seen]:
    """The files that a run which was cut off had claimed, in the order in which it had."""
    for path in _below_incoming(home):
        if _is_partial(path):
            path.unlink()  # a copy that was not finished; the original lies in LANDING
    return claimed(home)


def claimed(home: Home) -> list[Seen]:
    """The files that a run at work, or one that was cut off, has claimed, in the order in which it did."""
    found: list[Seen] = []
    for path in _below_incoming(home):
        number, *rest = path.relative_to(incoming(home)).parts
        if number.isdecimal() and rest and not _is_partial(path):
            # A run at work may settle it meanwhile.
            with suppress(FileNotFoundError):
                found.append(look(path, shown(Path(*rest))))
    return sorted(found, key=lambda seen: int(seen.path.relative_to(incoming(home)).parts[0]))


def _below_incoming(home: Home) -> Iterator[Path]:
    for folder, _, names in os.walk(incoming(home)):
        yield from (Path(folder) / name for name in names)


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".part")


def keep(home: Home, path: Path, deliveries: Sequence[Delivery]) -> None:
    """Move a claimed file to where it stays: archive/ when any extract took it, else rejected/ beside its reason.

    Raises AmkpiError when it cannot be moved.
    """
    first = deliveries[0]
    try:
        if any(delivery.status != "rejected" for delivery in deliveries):
            assert first.sha256 is not None
            target = archived(home, first.sha256, first.file_name)
            target.parent.mkdir(parents=True, exist_ok=True)
        else:
            target = _beside_its_reason(home, deliveries)
        path.replace(target)
    except OSError as error:
        raise AmkpiError(
            f"cannot put {first.file_name} away into {error.filename2 or error.filename}: {error.strerror}: mend that,"
            " and run again"
        ) from error
    _tidy(home, path)


def _beside_its_reason(home: Home, deliveries: Sequence[Delivery]) -> Path:
    """Write the reason, and say where the file goes: under its own name, if that is free."""
    first = deliveries[0]
    said = {
        "file": first.file_name,
        "sha256": first.sha256,
        "rejected_at": first.loaded_at.astimezone(UTC).isoformat(),
        "reasons": [
            {"extract": delivery.extract, "source": delivery.source, "reason": delivery.reason}
            for delivery in deliveries
        ],
    }
    text = json.dumps(said, ensure_ascii=False, indent=2) + "\n"
    own = PurePosixPath(first.file_name)
    plain = PurePosixPath(f"{first.delivery}{ending(first.file_name)}"[:_LONGEST_NAME])
    candidates = [own, own.with_name(f"{own.stem}.{first.delivery}{own.suffix}"), plain]
    for candidate in candidates:
        target = home.rejected / candidate
        reason = target.with_name(target.name + _REASON)
        if len(os.fsencode(target.name)) > _LONGEST_NAME or os.path.lexists(target):
            continue
        with suppress(FileExistsError, NotADirectoryError):
            # A folder of this name may be a file there already.
            target.parent.mkdir(parents=True, exist_ok=True)
            # A run that was cut off here wrote this very reason.
            if not os.path.lexists(reason) or (not reason.is_symlink() and reason.read_text("utf-8") == text):
                partial = home.rejected / f".{first.delivery}{_REASON}.part"
                partial.write_text(text, encoding="utf-8")
                partial.replace(reason)
                return target
    raise AmkpiError(f"{home.rejected} has {plain} already: move it away, and run again")


def _tidy(home: Home, path: Path) -> None:
    """Remove the folders that a claimed file leaves empty."""
    for folder in path.parents:
        if folder == incoming(home):
            return
        with suppress(OSError):
            folder.rmdir()
