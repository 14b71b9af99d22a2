"""A process that this program starts to run a part of itself: requests come by a pipe, answers go back by another.

It ends together with the process that started it: it reads a pipe from that process, and the operating system closes
the pipe in any case.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, BinaryIO

# The kind of an answer, and its content.
Send = Callable[[str, Any], None]


@contextmanager
def answers() -> Iterator[Send]:
    """In the child: sends answers to the parent. What a library prints goes to the standard error meanwhile."""
    # The answers get their own file descriptor, so that a library that prints cannot damage them.
    with os.fdopen(os.dup(1), "wb") as pipe:
        os.dup2(2, 1)

        def send(kind: str, content: Any) -> None:
            pickle.dump((kind, content), pipe)
            pipe.flush()

        yield send


def requests() -> SimpleQueue[Any]:
    """In the child: the requests of the parent. The child exits when the parent ends.

    Without that, a lock of HOME or an open warehouse would outlive who waits for the answers.
    """
    received: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, received), daemon=True).start()
    return received


def _receive(parent: BinaryIO, received: SimpleQueue[Any]) -> None:
    with contextlib.suppress(EOFError):
        while True:
            received.put(pickle.load(parent))
    os._exit(1)


def how_it_ended(process: subprocess.Popen[bytes]) -> str:
    """In the parent, when the answers have stopped: by which signal or exit code."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)  # so that the exit code is its own, not that of our kill
    code = process.returncode
    return "no end" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"


def end(process: subprocess.Popen[bytes]) -> None:
    """In the parent: kill the child, and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(BrokenPipeError):  # unsent bytes cannot be flushed to an ended process
            if pipe is not None:
                pipe.close()
