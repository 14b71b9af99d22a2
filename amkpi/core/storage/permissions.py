"""Who may open what: the modes of folders and published files, and a refusal in one line that says whose a path is."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from amkpi.core.errors import AmkpiError

PRIVATE, OPEN = 0o700, 0o755
_OTHERS = 0o007
_DENIED = re.compile(r"(?:open|create|access)[^\"]*file \"([^\"]+)\".*Permission denied", re.S)


def make_folder(folder: Path, mode: int) -> None:
    """Create a folder with this mode, whatever the umask. Of a private one that exists, others lose their rights.

    What a group has was given to it on purpose. Raises OSError.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
    elif mode == PRIVATE and folder.stat().st_mode & _OTHERS:
        # Who does not own it cannot change it: then its owner has given the right.
        with suppress(PermissionError):
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) & ~_OTHERS)


def share(path: Path, group: str) -> None:
    """Let everybody read a published file or folder; only a group if one is given. Raises AmkpiError."""
    executable = 0o111 if path.is_dir() else 0
    write = 0o200 if path.is_dir() else 0
    if not group:
        if not path.is_dir():
            path.chmod(0o444)
        return
    try:
        shutil.chown(path, group=group)
        path.chmod(0o440 | executable & 0o110 | write)
    except (LookupError, PermissionError) as error:
        raise AmkpiError(
            f"setting published_group: {path} cannot be given to the group {group!r}: {error}; the user"
            f" {_name(os.geteuid())} must be a member of it"
        ) from error


def refusal(error: OSError | Exception) -> str | None:
    """What a refused access means: path, owner and remedy; None for any other error."""
    if isinstance(error, PermissionError) and error.filename:
        return describe(Path(os.fsdecode(error.filename)))
    found = _DENIED.search(str(error))
    return describe(Path(found[1])) if found else None


def describe(path: Path) -> str:
    """Whose a path is that cannot be opened: its own owner, or that of the folder that hides it."""
    shown = path
    while True:
        try:
            found = shown.stat()
        except PermissionError:
            shown = shown.parent
        except FileNotFoundError:
            if shown == shown.parent:
                raise
            shown = shown.parent
        else:
            break
    owner, me = _name(found.st_uid), _name(os.geteuid())
    mode = stat.filemode(found.st_mode)
    remedy = f"run amkpi as {owner}, or let {owner} give {me} the right"
    if owner == me:
        remedy = f"chmod u+rwX {shown}"
    return f"permission denied: {path}; {shown} belongs to {owner} ({mode}), and this runs as {me}: {remedy}"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def group_exists(name: str) -> bool:
    """Whether the machine knows the group."""
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
