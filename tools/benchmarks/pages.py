"""`make bench`, the pages: how long 50 readers wait for `amkpi serve` while 20 publications become current.

Each reader opens the first page and then follows links, one page about every second. The same pages are then asked for
in the same order from a plain file server (Starlette's StaticFiles in uvicorn), so that the seconds of one machine can
be compared. It writes the part of docs/benchmarks.md that follows its heading.
"""

from __future__ import annotations

import html
import http.client
import json
import os
import posixpath
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import duckdb

from amkpi.access.names import read_names
from amkpi.access.reader import address_key, reader_of_address
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, published_file
from amkpi.core.settings import load_settings
from amkpi.core.storage.pages_key import secret_key
from amkpi.interfaces.web.sign_in import COOKIE, standing
from amkpi.interfaces.web.sign_ins import SignIns
from amkpi.publishing.retention import prune
from amkpi.sample_agency import write_sample
from tools.benchmarks.measure import AMKPI, AS_OF, run
from tools.paths import ROOT

READERS = 50
PUBLICATIONS = 20
# The sample agency, and a company of 500 account people: (name, scale of the sample, seconds that 95% should need).
COMPANIES = (("the sample agency", 1.0, 0.3), ("a company of 500 people", 16.0, 1.0))
HEADING = "## Pages"
FIRST = "vi/index.html"
_HOST = "127.0.0.1"
_SEED = 7


@dataclass(frozen=True)
class Pace:
    """How many pages each reader reads, and the seconds between two of them, from and to."""

    pages: int
    pause: tuple[float, float]

    @property
    def seconds(self) -> float:
        """How long reading takes where no page has to be waited for."""
        return self.pages * sum(self.pause) / 2


# Somebody who reads a page needs longer than a second.
PACE = Pace(60, (0.5, 1.5))


@dataclass(frozen=True)
class Load:
    """What the readers got; the server's peak memory in bytes; the publications that it has open at the end."""

    readings: list[Reading]
    peak: int
    open_files: set[Path]


@dataclass
class Reading:
    """What a reader got: the seconds of each page, what was asked for and its bytes, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    pages: list[tuple[str, bytes]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def links_of(path: str, page: bytes) -> list[str]:
    """The pages that a page leads to, as paths below the server."""
    found = re.findall(r'<a [^>]*href="([^"#:]+)"', page.decode())
    targets = [
        posixpath.normpath(posixpath.join(posixpath.dirname(path), urldefrag(html.unescape(f))[0])) for f in found
    ]
    return [target for target in targets if target.endswith(".html")]


def read(port: int, cookie: str, pace: Pace, randomness: random.Random) -> Reading:
    """Read as one reader: the first page, then one of its links, and so on."""
    got, path = Reading(), FIRST
    connection = http.client.HTTPConnection(_HOST, port, timeout=60)
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
    return got


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


def at_once(tasks: Sequence[Callable[[], Reading]]) -> list[Reading]:
    """Run all tasks at the same time, each in a thread of its own."""
    results: dict[int, Reading] = {}

    def work(number: int, task: Callable[[], Reading]) -> None:
        results[number] = task()

    threads = [threading.Thread(target=work, args=each) for each in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(tasks))]


def sessions(home: Home, count: int) -> list[str]:
    """The cookies of sessions of so many people. Signing in by mail is not what is measured."""
    settings = load_settings(home, {})
    store = SignIns(home.state, secret_key(home.state), lambda: datetime.now(UTC))
    file = current_file(home)
    assert file is not None
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("use marts")
        names = read_names(connection)
        rated = {row[0] for row in connection.execute("select distinct staff_id from scorecards").fetchall()}
    people = sorted((each for each in names.people.values() if each.staff_id in rated), key=lambda each: each.staff_id)
    readers = [(each.email or "", reader_of_address(names, each.email or "", settings)) for each in people]
    able = [(address, reader) for address, reader in readers if reader is not None]
    random.Random(_SEED).shuffle(able)
    chosen = [able[number % len(able)] for number in range(count)]
    return [store.open_session(address_key(address), standing(who), 12) for address, who in chosen]


def later_publications(home: Home, folder: Path, count: int) -> list[Path]:
    """Copies of the current publication under other ids, in a folder of the same disk, in which nobody looks."""
    original = current_file(home)
    assert original is not None
    folder.mkdir()
    files = []
    for number in range(count):
        identity = f"{number + 1:016x}"
        file = folder / published_file(home, identity).name
        shutil.copyfile(original, file)
        with duckdb.connect(str(file)) as connection:
            connection.execute(f"update marts.publication set publication_id = '{identity}'")
        files.append(file)
    return files


def make_current(home: Home, file: Path) -> None:
    """Switch `current.duckdb` as publishing does, and remove what is too old."""
    file.touch()
    file.rename(home.published / file.name)
    link = home.published / ".bench.link"
    link.symlink_to(file.name)
    link.rename(home.current)
    prune(home, load_settings(home, {}), datetime.now(UTC))


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listening:
        listening.bind((_HOST, 0))
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
                socket.create_connection((_HOST, port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError(f"{' '.join(command)} does not answer:\n{log.read_text()}") from None
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def percentile(values: Sequence[float], share: int) -> float:
    """The value that so many per cent of the values do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def measure_served(folder: Path, home: Home, pace: Pace) -> Load:
    """What 50 readers get while 20 publications become current. folder: for the server's log."""
    cookies = sessions(home, READERS)
    port = free_port()
    files = later_publications(home, folder / "later", PUBLICATIONS)
    tasks = [
        partial(read, port, cookie, pace, random.Random(f"{_SEED}:{number}")) for number, cookie in enumerate(cookies)
    ]
    command = [str(AMKPI), "serve", "--home", str(home.root), "--port", str(port)]
    with running(command, port, folder / "serve.log", AMKPI_PAGES_URL=f"http://{_HOST}:{port}/") as pid:

        def swing() -> Reading:
            for file in files:
                time.sleep(pace.seconds / (PUBLICATIONS + 1))
                make_current(home, file)
            return Reading()

        readings = at_once([*tasks, swing])[:-1]
        # Without a request the server looks at the link every two seconds.
        time.sleep(3)
        peak = int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) * 1024
        opened = {descriptor.readlink() for descriptor in Path(f"/proc/{pid}/fd").iterdir() if descriptor.is_symlink()}
    return Load(readings, peak, {each for each in opened if each.name.startswith("kpi_")})


def measure_plain(folder: Path, readings: Sequence[Reading], pace: Pace) -> list[Reading]:
    """The same pages in the same order from a plain file server."""
    site = folder / "site"
    orders: list[list[str]] = []
    for reader, reading in enumerate(readings):
        (site / str(reader)).mkdir(parents=True)
        order = []
        for number, (_, body) in enumerate(reading.pages):
            (site / str(reader) / f"{number}.html").write_bytes(body)
            order.append(f"{reader}/{number}.html")
        orders.append(order)
    port = free_port()
    program = (
        "import uvicorn; from starlette.staticfiles import StaticFiles;"
        f"uvicorn.run(StaticFiles(directory={str(site)!r}), host={_HOST!r}, port={port}, access_log=False)"
    )

    def again(number: int) -> Reading:
        got, randomness = Reading(), random.Random(f"{_SEED}:{number}")
        connection = http.client.HTTPConnection(_HOST, port, timeout=60)
        for path in orders[number]:
            time.sleep(randomness.uniform(*pace.pause))
            seconds, status, body = ask(connection, path, "")
            if status != 200:
                got.errors.append(f"{path}: {status}")
            got.seconds.append(seconds)
            got.pages.append((path, body))
        connection.close()
        return got

    with running([sys.executable, "-c", program], port, folder / "plain.log"):
        return at_once([partial(again, number) for number in range(len(orders))])


def bench(name: str, scale: float, aim: float, folder: Path, pace: Pace) -> dict[str, Any]:
    """All measurements of one company."""
    home = Home.at(folder / "home")
    write_sample(home.landing, scale=scale, as_of=AS_OF)
    run(home.root)
    file = current_file(home)
    assert file is not None
    with duckdb.connect(str(file), read_only=True) as connection:
        people = connection.execute(
            "select count(distinct staff_id) from marts.scorecards where scope = 'own'"
        ).fetchall()[0][0]
    load = measure_served(folder, home, pace)
    errors = [error for reading in load.readings for error in reading.errors]
    if errors:
        log = (folder / "serve.log").read_text()
        raise RuntimeError(f"{name}: {len(errors)} pages failed, the first of them {errors[0]}\n{log[-3000:]}")
    plain = measure_plain(folder, load.readings, pace)
    served, static = ([each for reading in some for each in reading.seconds] for some in (load.readings, plain))
    kilobytes = [len(body) / 1000 for reading in load.readings for _, body in reading.pages]
    return {
        "company": name,
        "people": people,
        "pages": len(served),
        "kilobytes": round(statistics.fmean(kilobytes)),
        "median": round(percentile(served, 50), 4),
        "p95": round(percentile(served, 95), 4),
        "slowest": round(max(served), 3),
        "plain_median": round(percentile(static, 50), 4),
        "plain_p95": round(percentile(static, 95), 4),
        "ratio": round(percentile(served, 95) / percentile(static, 95), 1),
        "aim": aim,
        "peak_mb": round(load.peak / 1e6),
    }


def section(results: Sequence[dict[str, Any]]) -> str:
    """The part of docs/benchmarks.md about the pages."""

    def milliseconds(value: float) -> str:
        return f"{value * 1000:,.0f} ms"

    lines = [
        HEADING,
        "",
        f"{READERS} readers at once follow links in the pages of `amkpi serve`, each one page about every second, while"
        f" {PUBLICATIONS} publications become current one after the other; each of them empties what the server had in"
        " memory. No page failed. A plain file server (Starlette's `StaticFiles`, the same uvicorn) then gave the same"
        " pages in the same order to the same readers. Readers and server share the machine.",
        "",
        "| company | people | pages | size of a page | half of the pages within | 95% within | aim | slowest |"
        " file server: half | 95% | ratio of the 95% | peak of the server |",
        "|---|" + "---:|" * 11,
        *(
            f"| {r['company']} | {r['people']} | {r['pages']:,} | {r['kilobytes']} KB | {milliseconds(r['median'])} |"
            f" {milliseconds(r['p95'])} | {milliseconds(r['aim'])} | {milliseconds(r['slowest'])} |"
            f" {milliseconds(r['plain_median'])} | {milliseconds(r['plain_p95'])} | {r['ratio']} | {r['peak_mb']} MB |"
            for r in results
        ),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure each company, and replace the part of docs/benchmarks.md."""
    results = []
    for name, scale, aim in COMPANIES:
        with tempfile.TemporaryDirectory() as folder:
            results.append(bench(name, scale, aim, Path(folder), PACE))
        print(json.dumps(results[-1]), flush=True)
    page = ROOT / "docs" / "benchmarks.md"
    before = page.read_text(encoding="utf-8").split(f"\n{HEADING}\n")[0].rstrip("\n")
    page.write_text(f"{before}\n\n{section(results)}", encoding="utf-8")


if __name__ == "__main__":
    main()
