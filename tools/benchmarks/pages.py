"""`make bench`, the pages: how long 50 readers wait for `amkpi serve` while 20 publications become current.

Each reader opens the first page and then follows links: once with a pause of about a second before each page, as
somebody who reads makes one, and once without any, so that 50 pages are always asked for. The same pages are then asked
for in the same order from a plain file server (Starlette's StaticFiles in uvicorn), so that the seconds of one machine
can be compared. It writes the part of docs/benchmarks.md that follows its heading.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from amkpi.access.names import read_names
from amkpi.access.reader import address_key, reader_of_address
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, published_file
from amkpi.core.settings import load_settings
from amkpi.core.storage.pages_key import secret_key
from amkpi.interfaces.web.sign_in import standing
from amkpi.interfaces.web.sign_ins import SignIns
from amkpi.publishing.retention import prune
from amkpi.sample_agency import write_sample
from tools.benchmarks.measure import AMKPI, AS_OF, run
from tools.benchmarks.readers import HOST, Pace, Reading, ask, at_once, cpu_of, free_port, read, running
from tools.paths import ROOT

READERS = 50
PUBLICATIONS = 20
# The sample agency, and a company of 500 account people: (name, scale of the sample, seconds that 95% should need).
COMPANIES = (("the sample agency", 1.0, 0.3), ("a company of 500 people", 16.0, 1.0))
HEADING = "## Pages"
_SEED = 7


# Somebody who reads a page needs longer than a second.
PACES = {"about a second": Pace(60, (0.5, 1.5)), "none": Pace(60, (0.0, 0.0))}


@dataclass(frozen=True)
class Load:
    """What the readers got; the server's peak memory in bytes; the publications that it has open at the end.

    published: the files that became current, in order. seconds: of the clock. server, readers, publishing: their
    seconds of CPU; to publish is here to switch the link and to remove old files, and not to build.
    """

    readings: list[Reading]
    published: list[str]
    peak: int
    open_files: set[Path]
    seconds: float
    server: float
    readers: float
    publishing: float


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
        identity = f"{int(original.stem[-16:], 16) % 2**48 + number + 1:016x}"
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


def percentile(values: Sequence[float], share: int) -> float:
    """The value that so many per cent of the values do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def measure_served(folder: Path, home: Home, pace: Pace) -> Load:
    """What 50 readers get while 20 publications become current. folder: for the server's log."""
    cookies = sessions(home, READERS)
    port = free_port()
    files = later_publications(home, folder / "later", PUBLICATIONS)
    readings = [Reading() for _ in cookies]
    tasks = [
        partial(read, port, cookie, pace, random.Random(f"{_SEED}:{number}"), readings[number])
        for number, cookie in enumerate(cookies)
    ]
    wanted, publishing = READERS * pace.pages, 0.0

    def publish(is_read: Callable[[], bool]) -> None:
        """Each publication after the same number of pages."""
        nonlocal publishing
        for number, file in enumerate(files):
            while is_read() and sum(each.count for each in readings) < wanted * (number + 1) / (PUBLICATIONS + 1):
                time.sleep(0.02)
            begun = time.thread_time()
            make_current(home, file)
            publishing += time.thread_time() - begun

    command = [str(AMKPI), "serve", "--home", str(home.root), "--port", str(port)]
    with running(command, port, folder / "serve.log", AMKPI_PAGES_URL=f"http://{HOST}:{port}/") as pid:
        before, own, begun = cpu_of(pid), time.process_time(), time.perf_counter()
        at_once(tasks, publish)
        seconds, own, server = time.perf_counter() - begun, time.process_time() - own, cpu_of(pid) - before
        # Without a request the server looks at the link every half second.
        time.sleep(3)
        peak = int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) * 1024
        opened = {descriptor.readlink() for descriptor in Path(f"/proc/{pid}/fd").iterdir() if descriptor.is_symlink()}
    open_files = {each for each in opened if each.name.startswith("kpi_")}
    return Load(
        readings, [file.name for file in files], peak, open_files, seconds, server, own - publishing, publishing
    )


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
        f"uvicorn.run(StaticFiles(directory={str(site)!r}), host={HOST!r}, port={port}, access_log=False)"
    )

    again_read = [Reading() for _ in orders]

    def again(number: int) -> None:
        got, randomness = again_read[number], random.Random(f"{_SEED}:{number}")
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        for path in orders[number]:
            time.sleep(randomness.uniform(*pace.pause))
            seconds, status, body = ask(connection, path, "")
            if status != 200:
                got.errors.append(f"{path}: {status}")
            got.seconds.append(seconds)
            got.pages.append((path, body))
        connection.close()

    with running([sys.executable, "-c", program], port, folder / "plain.log"):
        at_once([partial(again, number) for number in range(len(orders))], lambda is_read: None)
    return again_read


def bench(name: str, scale: float, aim: float, folder: Path) -> list[dict[str, Any]]:
    """All measurements of one company, for each pace."""
    home = Home.at(folder / "home")
    write_sample(home.landing, scale=scale, as_of=AS_OF)
    run(home.root)
    file = current_file(home)
    assert file is not None
    with duckdb.connect(str(file), read_only=True) as connection:
        people = connection.execute(
            "select count(distinct staff_id) from marts.scorecards where scope = 'own'"
        ).fetchall()[0][0]
    # The aim is for readers who read.
    company = {"company": name, "people": people}
    return [
        company | {"aim": aim if any(pace.pause) else None} | bench_pace(folder / f"pace-{number}", home, pause)
        for number, (pause, pace) in enumerate(PACES.items())
    ]


def bench_pace(folder: Path, home: Home, pause: str) -> dict[str, Any]:
    """The measurements of one pace."""
    folder.mkdir()
    load = measure_served(folder, home, PACES[pause])
    errors = [error for reading in load.readings for error in reading.errors]
    if errors:
        log = (folder / "serve.log").read_text()
        raise RuntimeError(f"{len(errors)} pages failed, the first of them {errors[0]}\n{log[-3000:]}")
    plain = measure_plain(folder, load.readings, PACES[pause])
    served, static = ([each for reading in some for each in reading.seconds] for some in (load.readings, plain))
    kilobytes = [len(body) / 1000 for reading in load.readings for _, body in reading.pages]
    return {
        "pause": pause,
        "pages": len(served),
        "kilobytes": round(statistics.fmean(kilobytes)),
        "median": round(percentile(served, 50), 4),
        "p95": round(percentile(served, 95), 4),
        "slowest": round(max(served), 3),
        "plain_median": round(percentile(static, 50), 4),
        "plain_p95": round(percentile(static, 95), 4),
        "ratio": round(percentile(served, 95) / percentile(static, 95), 1),
        "peak_mb": round(load.peak / 1e6),
        "seconds": round(load.seconds, 1),
        "server": round(load.server, 1),
        "readers": round(load.readers, 1),
        "publishing": round(load.publishing, 1),
    }


def section(results: Sequence[dict[str, Any]]) -> str:
    """The part of docs/benchmarks.md about the pages."""

    def milliseconds(value: float | None) -> str:
        return "–" if value is None else f"{value * 1000:,.0f} ms"

    lines = [
        HEADING,
        "",
        f"{READERS} readers at once follow links in the pages of `amkpi serve`, while {PUBLICATIONS} publications"
        " become current one after the other; each of them empties what the server had in memory. A reader makes a"
        " pause of 0.5 to 1.5 s before each page; or none, so that at every moment as many pages are asked for as there"
        " are readers, which shows what the server can do at most. The aim is for readers who make a pause. No page"
        " failed.",
        "",
        "A plain file server (Starlette's `StaticFiles`, the same uvicorn) then gave the same pages in the same order"
        " to the same readers at the same pace. Readers and server share the machine.",
        "",
        "| company | people | pause | pages | size of a page | half of the pages within | 95% within | aim | slowest |"
        " file server: half | 95% | ratio of the 95% | peak of the server |",
        "|---|---:|---|" + "---:|" * 10,
        *(
            f"| {r['company']} | {r['people']} | {r['pause']} | {r['pages']:,} | {r['kilobytes']} KB |"
            f" {milliseconds(r['median'])} | {milliseconds(r['p95'])} | {milliseconds(r['aim'])} |"
            f" {milliseconds(r['slowest'])} | {milliseconds(r['plain_median'])} | {milliseconds(r['plain_p95'])} |"
            f" {r['ratio']} | {r['peak_mb']} MB |"
            for r in results
        ),
        "",
        "Where the time of the CPU went. To publish is here to switch the link and to remove old files; the build of a"
        " publication is not a part of it.",
        "",
        "| company | pause | seconds | CPU: server | of a page | readers | publishing |",
        "|---|---|---:|---:|---:|---:|---:|",
        *(
            f"| {r['company']} | {r['pause']} | {r['seconds']} | {r['server']} s |"
            f" {milliseconds(r['server'] / r['pages'])} | {r['readers']} s | {r['publishing']} s |"
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
            results += bench(name, scale, aim, Path(folder))
        print(*map(json.dumps, results[-len(PACES) :]), sep="\n", flush=True)
    page = ROOT / "docs" / "benchmarks.md"
    before = page.read_text(encoding="utf-8").split(f"\n{HEADING}\n")[0].rstrip("\n")
    page.write_text(f"{before}\n\n{section(results)}", encoding="utf-8")


if __name__ == "__main__":
    main()
