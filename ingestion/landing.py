"""What lies in LANDING: which files are ready, and where a file belongs by its path."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from amkpi.core.errors import AmkpiError

WRITING_PREFIXES = (".", "_")
WRITING_SUFFIXES = (".part", ".tmp", ".filepart", ".crdownload")


@dataclass(frozen=True)
class Seen:
    """A file as it was when it was looked at: `name` is its path below LANDING, with slashes, as text.

    `path` may hold bytes that are no text. What lies there may be no file: a link, a pipe (`is_file`).
    """

    name: str
    path: Path
    mode: int
    inode: int
    size: int
    changed_ns: int

    @property
    def is_file(self) -> bool:
        """Whether it is a file of its own, which can be read."""
        return stat.S_ISREG(self.mode)

    def unchanged(self) -> bool:
        """Whether the same file still lies there with the same size and time of change."""
        return self.lies_at(self.path)

    def lies_at(self, path: Path) -> bool:
        """Whether this very file lies at the path, as it was seen."""
        try:
            now = look(path, self.name)
        except OSError:
            return False
        return (now.inode, now.size, now.changed_ns) == (self.inode, self.size, self.changed_ns)


def look(path: Path, name: str) -> Seen:
    """What lies at the path now; a link is not followed. Raises OSError."""
    status = path.lstat()
    return Seen(name, path, status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns)


def shown(relative: Path) -> str:
    """A relative path as text: what is no UTF-8 in it is written as \\xNN."""
    return os.fsencode(relative.as_posix()).decode("utf-8", "backslashreplace")


def is_being_written(name: str) -> bool:
    """Whether the path's file name says that somebody is still writing it."""
    file_name = name.rsplit("/", 1)[-1].lower()
    return file_name.startswith(WRITING_PREFIXES) or file_name.endswith(WRITING_SUFFIXES)


def waiting(landing: Path) -> list[Seen]:
    """Everything below LANDING that is no folder and not being written by its name, in the order of its path.

    A link is one thing, whatever it points to. Raises AmkpiError for a folder that cannot be listed.
    """
    files: list[Seen] = []
    for folder, folders, names in os.walk(landing, onerror=_refuse):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*names, *links):
            path = Path(folder) / name
            relative = shown(path.relative_to(landing))
            if not is_being_written(relative):
                try:
                    files.append(look(path, relative))
                except FileNotFoundError:
                    continue  # it went between the listing and the look
    return sorted(files, key=lambda seen: seen.name)


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise AmkpiError(f"cannot list {error.filename}: {error.strerror}: give amkpi read access to it") from error


def ready(landing: Path, settle_seconds: float) -> list[Seen]:
    """The files that can be loaded now: those that did not change lately, or not while this call watched.

    Waits at most `settle_seconds`, and only when a file is younger than that.
    """
    first = waiting(landing)
    if not first:
        return []
    youngest = max(seen.changed_ns for seen in first) / 1e9
    wait = min(settle_seconds, youngest + settle_seconds - time.time())
    if wait > 0:
        time.sleep(wait)
    return [seen for seen in first if seen.unchanged()]
