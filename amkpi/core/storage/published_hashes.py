"""The hashes of published files: a file that somebody has written into is found, though it is read-only.

root, or the owner, can open any file for writing; a client that does so by mistake may change it. The hashes are in
`published/hashes.json`. A file is hashed again only where its size, times or inode are others than those recorded.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from amkpi.core.home import Home


def record(home: Home, file: Path) -> None:
    """Remember a file as it is now; files that are gone are forgotten."""
    known = {name: entry for name, entry in _read(home).items() if (home.published / name).exists()}
    known[file.name] = {"sha256": _hash(file), "stat": _stat(file)}
    target = home.published / "hashes.json"
    partial = target.with_name(f".{target.name}.part")
    partial.write_text(json.dumps(known, indent=1), encoding="utf-8")
    partial.replace(target)


def is_damaged(home: Home, file: Path) -> bool:
    """Whether a published file is not what was published. False for one of a version that recorded no hash."""
    known = _read(home).get(file.name)
    if known is None:
        return False
    try:
        return bool(_stat(file) != known["stat"] and _hash(file) != known["sha256"])
    except FileNotFoundError:
        return True


def is_intact(home: Home, file: Path) -> bool:
    """Whether a published file is what was published, by a recorded hash."""
    return file.name in _read(home) and not is_damaged(home, file)


def _read(home: Home) -> dict[str, Any]:
    try:
        found = json.loads((home.published / "hashes.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        # Without it nothing is known of the files, as before the first publication; the next one is recorded.
        return {}
    return found if isinstance(found, dict) else {}


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _stat(file: Path) -> list[int]:
    found = file.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
