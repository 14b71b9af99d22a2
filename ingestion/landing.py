"""What lies in LANDING: which files are ready, and where a file belongs by its path."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

WRITING_PREFIXES = (".", "_")
WRITING_SUFFIXES = (".part", ".tmp", ".filepart", ".crdownload")


@dataclass(frozen=True)
class Seen:
    """A file as it was when it was looked at: `name` is its path below LANDING, with slashes."""

    name: str
    path: Path
    inode: int
    size: int
    changed_ns: int

    def unchanged(self) -> bool:
        """Whether the same file still lies there with the same size and time of change."""
        try:
            return _seen(self.path, self.name) == self
        except OSError:
            return False


def _seen(path: Path, name: str) -> Seen:
    status = path.lstat()
    return Seen(name, path, status.st_ino, status.st_size, status.st_mtime_ns)


def is_being_written(name: str) -> bool:
    """Whether the path's file name says that somebody is still writing it."""
    file_name = name.rsplit("/", 1)[-1].lower()
    return file_name.startswith(WRITING_PREFIXES) or file_name.endswith(WRITING_SUFFIXES)


def waiting(landing: Path) -> list[Seen]:
    """Every file below LANDING that is not being written by its name, in the order of its path."""
    files: list[Seen] = []
    for folder, _, names in os.walk(landing):
        for name in names:
            path = Path(folder) / name
            relative = path.relative_to(landing).as_posix()
            if not is_being_written(relative):
                try:
                    files.append(_seen(path, relative))
                except FileNotFoundError:
                    continue  # it went between the listing and the look
    return sorted(files, key=lambda seen: seen.name)


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
