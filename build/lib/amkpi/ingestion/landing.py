"""What is in LANDING, and which files are ready to be loaded."""

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
class LandingFile:
    """A file as it was when it was looked at: `name` is its path below LANDING, with slashes, as text.

    `path` may contain bytes that are not text. It may also be a link or a pipe (see `is_file`). size: in bytes;
    changed_ns: time of the last change, in nanoseconds since 1970.
    """

    name: str
    path: Path
    mode: int
    inode: int
    size: int
    changed_ns: int

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file, not a link or a pipe."""
        return stat.S_ISREG(self.mode)

    def unchanged(self) -> bool:
        """Whether the same file is still there, with the same size and time of change."""
        return self.is_at(self.path)

    def is_at(self, path: Path) -> bool:
        """Whether the same file is at this path, with the same size and time of change."""
        try:
            now = look(path, self.name)
        except OSError:
            return False
        return (now.inode, now.size, now.changed_ns) == (self.inode, self.size, self.changed_ns)


def look(path: Path, name: str) -> LandingFile:
    """The file at the path as it is now; a link is not followed. Raises OSError."""
    status = path.lstat()
    return LandingFile(name, path, status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns)


def shown(relative: Path) -> str:
    """A relative path as text; bytes that are not UTF-8 are written as \\xNN."""
    return os.fsencode(relative.as_posix()).decode("utf-8", "backslashreplace")


def is_being_written(name: str) -> bool:
    """Whether the file name tells that the file is still being written."""
    file_name = name.rsplit("/", 1)[-1].lower()
    return file_name.startswith(WRITING_PREFIXES) or file_name.endswith(WRITING_SUFFIXES)


def waiting(landing: Path) -> list[LandingFile]:
    """Everything below LANDING, in the order of its path, except folders and files that are still being written.

    A link is not followed. Raises AmkpiError for a folder that cannot be listed.
    """
    files: list[LandingFile] = []
    for folder, folders, names in os.walk(landing, onerror=_refuse):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*names, *links):
            path = Path(folder) / name
            relative = shown(path.relative_to(landing))
            if not is_being_written(relative):
                try:
                    files.append(look(path, relative))
                except FileNotFoundError:
                    continue  # it was removed after the folder was listed
    return sorted(files, key=lambda seen: seen.name)


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise AmkpiError(f"cannot list {error.filename}: {error.strerror}: give amkpi read access to it") from error


def ready(landing: Path, settle_seconds: float) -> list[LandingFile]:
    """The files that can be loaded now: those that did not change during the last `settle_seconds`.

    Waits if a file is younger than that, at most `settle_seconds`, and then looks at it again.
    """
    first = waiting(landing)
    if not first:
        return []
    youngest = max(seen.changed_ns for seen in first) / 1e9
    wait = min(settle_seconds, youngest + settle_seconds - time.time())
    if wait > 0:
        time.sleep(wait)
    return [seen for seen in first if seen.unchanged()]
