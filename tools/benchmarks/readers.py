"""Readers of a web server, and the server that they read from: a process of its own."""

from __future__ import annotations

import html
import http.client
import os
import posixpath
import random
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urldefrag

from amkpi.interfaces.web.sign_in import COOKIE

FIRST = "vi/index.html"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Pace:
    """How many pages each reader reads, and the seconds before each of them, from and to."""

    pages: int
    pause: tuple[float, float]


@dataclass
class Reading:
    """What a reader got: the seconds of each page, what was asked for and its bytes, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    pages: list[tuple[str, bytes]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many pages were asked for."""
        return len(self.pages) + len(self.errors)


def links_of(path: str, page: bytes) -> list[str]:
    """The pages that a page leads to, as paths below the server."""
    found = re.findall(r'<a [^>]*href="([^"#:]+)"', page.decode())
    targets = [
        posixpath.normpath(posixpath.join(posixpath.dirname(path), urldefrag(html.unescape(f))[0])) for f in found
    ]
    return [target for target in targets if target.endswith(".html")]


def read(port: int, cookie: str, pace: Pace, randomness: random.Random, got: Reading) -> None:
    """Read as one reader: the first page, then one of its links, and so on. got: is filled."""
    path = FIRST
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    for _ in range(pace.pages):
        time.sleep(randomness.uniform(*pace.pause))
        seconds, status, body = ask(connection, path, cookie)
        if status != 200:
            got.errors.append(f"{path}: {status} {body[:200].decode(errors='replace')}")
            path = FIRST
            continue
        got.seconds.append(seconds)
        got.pages.append((path, body))
        path = randomness.choice(links_of(path, body) or [FIRST])
    connection.close()


def ask(connection: http.client.HTTPConnection, path: str, cookie: str) -> tuple[float, int, bytes]:
    """Ask for one page: the seconds until all of it is there, the status, and the bytes."""
    started = time.perf_counter()
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    try:
        connection.request("GET", f"/{path}", headers=headers)
        try:
            answer = connection.getresponse()
        except ConnectionError:  # RemoteDisconnected is one
            # The server ends a connection that was idle for five seconds. A browser then opens another one too.
            connection.close()
            connection.request("GET", f"/{path}", headers=headers)
            answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return time.perf_counter() - started, 0, repr(error).encode()
    return time.perf_counter() - started, answer.status, body


def at_once(tasks: Sequence[Callable[[], None]], meanwhile: Callable[[Callable[[], bool]], None]) -> None:
    """Run all tasks at the same time, each in a thread of its own.

    meanwhile: runs in this thread; it is given how to ask whether a task still runs.
    """
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    meanwhile(lambda: any(thread.is_alive() for thread in threads))
    for thread in threads:
        thread.join()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        return int(listening.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, log: Path, **environment: str) -> Iterator[int]:
    """Run a server until the end of the block. Raises RuntimeError with its output when it does not answer."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **environment})
    try:
        ends = time.monotonic() + 60
        while True:
            try:
                socket.create_connection((HOST, port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError(f"{' '.join(command)} does not answer:\n{log.read_text()}") from None
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def cpu_of(pid: int) -> float:
    """The seconds of CPU of a process so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
