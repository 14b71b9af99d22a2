"""The secret that signs links and cookies: made once, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from amkpi.core.errors import AmkpiError

# A name with a dot: backups leave it out.
FILE = ".pages.key"
_BYTES = 32


def secret_key(state: Path) -> bytes:
    """The key in HOME/state/, 32 bytes; it is made where there is none.

    Raises AmkpiError where it cannot be made or read, or where others than its owner can read it.
    """
    file = state / FILE
    try:
        state.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _make(file)
        return _read(file)
    except OSError as error:
        raise AmkpiError(f"{file}: {error.strerror}: give the user who runs amkpi serve access to it") from error


def check(state: Path) -> None:
    """Raise AmkpiError where the key cannot be used; a HOME without pages has none."""
    file = state / FILE
    try:
        _read(file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise AmkpiError(f"{file}: {error.strerror}: give the user who runs amkpi serve access to it") from error


def _read(file: Path) -> bytes:
    """The key of the file. Raises OSError and AmkpiError."""
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        raise AmkpiError(f"{file} can be read by others ({mode:o}): remove it, and start again; readers sign in anew")
    key = file.read_bytes()
    # A disk that failed leaves zeroes: anybody could sign with them.
    if len(key) != _BYTES or not any(key):
        raise AmkpiError(f"{file} is damaged: remove it and start again; readers sign in again")
    return key


def _make(file: Path) -> None:
    """Write a new key, complete or not at all; the key of another process that was first stays."""
    # A temporary file has the mode 0600 from its first moment.
    with tempfile.NamedTemporaryFile("wb", dir=file.parent, prefix=f"{FILE}.") as written:
        written.write(secrets.token_bytes(_BYTES))
        written.flush()
        os.fsync(written.fileno())
        with suppress(FileExistsError):
            os.link(written.name, file)
