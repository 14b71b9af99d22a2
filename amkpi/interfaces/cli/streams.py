"""Standard output and error of a command: no encoding and no reader who leaves ends it with a traceback.

Only the standard library is imported: every start of the command line imports this module.
"""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

_VISIBLE = "amkpi_visible"
# What the signs of our own output mean, where the encoding lacks them.
_SIGNS = {
    "✓": "+", "✗": "x", "○": "o", "…": "...", "→": "->", "−": "-", "–": "-", "—": "-", "·": "|", "÷": "/", "×": "x",
    "─": "-", "│": "|", "“": '"', "”": '"',
}  # fmt: skip
_lost: set[str] = set()


def _visibly(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs: a sign by its meaning, a letter as ?, which a reader sees to be missing."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    _lost.update(letter for letter in letters if letter not in _SIGNS)
    return "".join(_SIGNS.get(letter, "?") for letter in letters), error.end


class _UntilItCloses(io.RawIOBase):
    """A binary stream that takes everything, also after its reader has gone: the command ends as if it were read."""

    def __init__(self, stream: BinaryIO) -> None:
        self.reader_is_gone = False
        self._stream = stream

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if not self.reader_is_gone:
            try:
                self._stream.write(data)
                self._stream.flush()
            except BrokenPipeError:
                self.reader_is_gone = True
        return len(data)


@contextmanager
def guarded() -> Iterator[None]:
    """Run a command with guarded standard output and error.

    A closed pipe ends the output and not the command: a publication is still made, and the exit code is the same.
    """
    codecs.register_error(_VISIBLE, _visibly)
    before = sys.stdout, sys.stderr
    _lost.clear()
    sys.stdout, sys.stderr = _guard(sys.stdout), _guard(sys.stderr)
    try:
        yield
        if _lost:
            name = getattr(sys.stdout, "encoding", "")
            print(
                f"amkpi: the encoding {name} of the output lacks {len(_lost)} letters, shown as ?: set"
                " PYTHONIOENCODING=utf-8",
                file=sys.stderr,
            )
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def reader_is_gone() -> bool:
    """Whether nobody reads standard output any more."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _UntilItCloses) and raw.reader_is_gone


def _guard(stream: TextIO) -> TextIO:
    """The stream, guarded; one that a test has put in its place stays."""
    binary = getattr(stream, "buffer", None)
    if binary is None:
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_UntilItCloses(binary)),
        encoding=stream.encoding,
        errors=_VISIBLE,
        line_buffering=True,
        write_through=True,
    )
