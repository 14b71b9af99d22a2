"""`make bench`: time and memory of `amkpi run` against one plain DuckDB script, in one run on one machine.

For each size it writes extracts from a seed and measures: the plain script (load and `kpi_values` only); `amkpi run` of
an empty HOME; a second run with nothing new; a run with the newest 1% of the rows, which the run before did not have; a
run with 1% of the rows corrected, spread over the whole history. It checks that script and run give the same values.
Compare the ratios only: the seconds of one machine mean nothing on another. It writes docs/benchmarks.md and
docs/pictures/benchmarks*.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import vl_convert

from amkpi.core.paths import DBT_PROJECT
from amkpi.sample_agency import write_sample
from tools.paths import ROOT

AMKPI = Path(sys.executable).with_name("amkpi")
AS_OF = date(2026, 10, 17)
# About 12,500 rows at scale 1.
SCALES = {"0.1 M": 8.0, "1.25 M": 100.0, "12.5 M": 1000.0}

# Seconds between two checks whether a command has ended, and of its memory. The latter reads all its pages and is slow.
CHECKED_EVERY = 0.02
SAMPLED_EVERY = 1.0


@dataclass(frozen=True)
class Measured:
    """A command: wall-clock and processor seconds, peak memory of all its processes in bytes, what it printed."""

    seconds: float
    cpu: float
    peak: int
    output: str


def measure(command: list[str], **environment: str) -> Measured:
    """Run a command to its end. Raises RuntimeError with its output when it fails."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        ended, peak = 0, 0
        # The audit is a separate process, so the memory of all processes is added up while they run. A peak between two
        # checks is missed, except that of the command itself (ru_maxrss).
        sampled = started
        while not ended:
            time.sleep(CHECKED_EVERY)
            if time.monotonic() - sampled >= SAMPLED_EVERY:
                sampled = time.monotonic()
                peak = max(peak, memory_of_tree(process.pid))
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        seconds = time.monotonic() - started
        output.seek(0)
        text = output.read()
    if status:
        raise RuntimeError(f"{' '.join(command)} failed:\n{text}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, max(peak, usage.ru_maxrss * 1024), text)


def memory_of_tree(process: int) -> int:
    """Bytes that a process and its children hold now; shared memory is divided between them (PSS)."""
    total, waiting = 0, [process]
    while waiting:
        folder = Path("/proc") / str(waiting.pop())
        try:
            children = [path.read_text().split() for path in folder.glob("task/*/children")]
            waiting += [int(child) for found in children for child in found]
            rollup = (folder / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process has ended
        total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


def run(home: Path) -> Measured:
    """`amkpi run` on a HOME; files count as complete at once."""
    return measure([str(AMKPI), "run", "--home", str(home), "--as-of", AS_OF.isoformat()], AMKPI_SETTLE_SECONDS="0")


def steps(output: str) -> dict[str, float]:
    """The seconds of each step, from the output of the command."""
    return {name: float(seconds) for name, seconds in re.findall(r"✓ (\w+)\s+([\d.]+) s", output)}


def differing(plain: Path, published: Path) -> int:
    """How many rows of `kpi_values` differ between script and marts by more than a relative 1e-9."""
    with duckdb.connect(str(plain), read_only=True) as connection:
        connection.execute(f"attach '{published.resolve()}' as marts_file (read_only)")
        return int(
            connection.execute(
                """
                select count(*) from kpi_values as a
                full join marts_file.marts.kpi_values as b
                    on a.kpi = b.kpi and a.scope = b.scope and coalesce(a.staff_id, '') = coalesce(b.staff_id, '')
                    and a.period_grain = b.period_grain and a.period_start = b.period_start
                where a.kpi is null or b.kpi is null or a.sample_size <> b.sample_size
                    or a.null_reason is distinct from b.null_reason or (a.value is null) <> (b.value is null)
                    or abs(a.value - b.value) > 1e-9 * greatest(abs(a.value), abs(b.value))
                """
            ).fetchall()[0][0]
        )


# The four largest extracts, each with the date column that decides which rows are the newest.
NEWEST = {
    "project_costs": "cost_date",
    "projects": "start_date",
    "client_surveys": "sent_date",
    "peer_reviews": "review_date",
}


def hold_back(landing: Path, later: Path) -> int:
    """Move the newest hundredth of the rows of the four largest extracts to a folder; returns how many rows."""
    count = 0
    for extract, column in NEWEST.items():
        (path,) = (landing / extract).glob("*.csv")
        (later / extract).mkdir(parents=True)
        with duckdb.connect() as connection:
            connection.execute(f"create table ranked as select *, row_number() over (order by {column} desc) as _rank"
                               f" from read_csv('{path}', header = true, all_varchar = true)")  # fmt: skip
            newest = connection.execute("select count(*) // 100 from ranked").fetchall()[0][0]
            for target, condition in ((later / extract / "newest.csv", "<="), (path, ">")):
                connection.execute(f"copy (select * exclude (_rank) from ranked where _rank {condition} {newest})"
                                   f" to '{target}' (header)")  # fmt: skip
        count += newest
    return count


def correct(landing: Path, source: Path) -> int:
    """Deliver every hundredth row of the project costs again with another amount; returns how many rows."""
    (landing / "project_costs").mkdir(parents=True, exist_ok=True)
    target = landing / "project_costs" / "corrections.csv"
    with duckdb.connect() as connection:
        (count,) = connection.execute(
            f"copy (select * exclude (_row) replace (cast(amount as decimal(18, 2)) + 1000 as amount) from"
            f" (select *, row_number() over () as _row from read_csv('{source}', header = true, all_varchar = true))"
            f" where _row % 100 = 0) to '{target}' (header)"
        ).fetchall()[0]
    return int(count)


def check_same(name: str, plain: Path, home: Path) -> None:
    """Raise RuntimeError unless script and publication agree on every row of `kpi_values`."""
    differ = differing(plain, home / "published" / "current.duckdb")
    if differ:
        raise RuntimeError(f"{name}: {differ} rows of kpi_values differ between the script and the marts")


def bench(name: str, scale: float, folder: Path, empty: Measured, first_only: bool) -> dict[str, Any]:
    """All measurements of one size; with `first_only` just the first run."""
    landing = folder / "extracts"
    rows = sum(write_sample(landing, scale=scale, as_of=AS_OF).values())
    size = sum(path.stat().st_size for path in landing.rglob("*.csv"))
    plain = measure([sys.executable, str(ROOT / "tools" / "benchmarks" / "plain.py"), str(landing), AS_OF.isoformat(),
                     str(folder / "plain.duckdb")])  # fmt: skip
    home, nightly = folder / "home", folder / "nightly"
    shutil.copytree(landing, home / "landing")
    whole = run(home)
    check_same(name, folder / "plain.duckdb", home)
    script = json.loads(plain.output.strip().splitlines()[-1])
    first = {
        "size": name,
        "rows": rows,
        "megabytes": round(size / 1e6, 1),
        "script": round(plain.seconds, 2),
        "script_load": round(script["load"], 2),
        "whole": round(whole.seconds, 2),
        "net": round(whole.seconds - empty.seconds, 2),
        "ratio": round((whole.seconds - empty.seconds) / plain.seconds, 2),
        "cpu_ratio": round((whole.cpu - empty.cpu) / plain.cpu, 2),
        "peak_mb": round(whole.peak / 1e6),
        "script_peak_mb": round(plain.peak / 1e6),
        "steps": steps(whole.output),
    }
    if first_only:
        return first
    again = run(home)
    if len(list((home / "published").glob("kpi_*.duckdb"))) != 1:
        raise RuntimeError(f"{name}: a run with nothing new published")
    (costs,) = (landing / "project_costs").glob("*.csv")
    corrected_rows = correct(home / "landing", costs)
    corrected = run(home)
    shutil.rmtree(home)
    shutil.copytree(landing, nightly / "landing")
    new_rows = hold_back(nightly / "landing", folder / "later")
    run(nightly)
    shutil.copytree(folder / "later", nightly / "landing", dirs_exist_ok=True)
    newest = run(nightly)
    # A build in two nights must give what the script computes at once.
    check_same(f"{name}, in two nights", folder / "plain.duckdb", nightly)
    return {
        **first,
        "again": round(again.seconds, 2),
        "new_rows": new_rows,
        "newest": round(newest.seconds, 2),
        "newest_share": round(newest.seconds / whole.seconds, 2),
        "newest_share_net": round((newest.seconds - empty.seconds) / (whole.seconds - empty.seconds), 2),
        "corrected_rows": corrected_rows,
        "corrected": round(corrected.seconds, 2),
        "corrected_share": round(corrected.seconds / whole.seconds, 2),
        "corrected_share_net": round((corrected.seconds - empty.seconds) / (whole.seconds - empty.seconds), 2),
        "newest_steps": steps(newest.output),
    }


def _without_rows(home: Path) -> Path:
    """A home with one file without rows: nothing is built before the first file."""
    landing = home / "landing" / "clients"
    landing.mkdir(parents=True)
    (landing / "none.csv").write_text("client_id,client_name\n", encoding="utf-8")
    return home


def startup(folder: Path) -> tuple[Measured, Measured, list[tuple[str, float]]]:
    """`amkpi run` of an agency without rows: the first of an installation, a second one, and the parts of the second.

    The parts are (part, seconds), in their order in time.
    """
    for kept in (DBT_PROJECT / "target").glob("parsed_*.msgpack"):
        kept.unlink()
    first = run(_without_rows(folder / "first"))
    home = _without_rows(folder / "empty")
    empty = run(home)
    step = steps(empty.output)
    log = (home / "warehouse" / "dbt" / "dbt.log").read_text(encoding="utf-8")

    def at(words: str) -> float:
        hours, minutes, seconds = re.findall(rf"^(\d+):(\d+):([\d.]+) .*{words}", log, re.MULTILINE)[0]
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)

    begun, read, done = at("Running with dbt"), at("Found .* models"), at("Completed successfully")
    command = measure([str(AMKPI), "--version"]).seconds
    parts = [
        ("the command's own imports", command),
        ("load: the file without rows is loaded, the warehouse is created", step["load"]),
        ("build: row checks, and the import of dbt", step["build"] - (done - begun)),
        ("build: dbt takes its project from the manifest cache", read - begun),
        ("build: the models and their tests, without rows", done - read),
        ("audit: the part that did not run during the build", step["audit"]),
        ("publish", step["publish"]),
    ]
    return (
        first,
        empty,
        [*parts, ("summary and end", empty.seconds - sum(seconds for _, seconds in parts))],
    )


def machine() -> str:
    """The machine in one line."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    model = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    hardware = f"{os.cpu_count()} cores ({model[0] if model else platform.machine()})"
    software = f"{platform.system()}, Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    return f"{hardware}, {int(memory.split()[1]) // 1024**2} GiB, {software}"


def report(results: list[dict[str, Any]], first: Measured, empty: Measured, parts: list[tuple[str, float]]) -> str:
    """The page, in Markdown."""
    whole = [r for r in results if "again" in r]
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; do not edit. One run on one machine: " + machine() + ".",
        "",
        "The script (`tools/benchmarks/plain.py`) loads the same clean files and computes the same `kpi_values`. The"
        " benchmark checks that both are equal row for row, also when the last 1% arrives a night later. The script has"
        " no row rules, quarantine, history, evidence, targets, scorecards, supporting measures or audit.",
        "",
        "## Start-up",
        "",
        f"`amkpi run` of an agency with one file, which has no rows, takes {empty.seconds:.1f} s and"
        f" {empty.peak / 1e6:.0f} MB at its peak. The first run of an installation, in which dbt parses its project,"
        f" takes {first.seconds:.1f} s.",
        "",
        "| part | seconds |",
        "|---|---:|",
        *(f"| {part} | {seconds:.1f} |" for part, seconds in parts),
        "",
        "A separate process imports Great Expectations while files are loaded and dbt builds. The memory is that of"
        " both processes.",
        "",
        "## A first run",
        "",
        "| rows | CSV | script | run minus start-up | ratio | ratio (CPU) | peak | script's peak |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {r['rows']:,} | {r['megabytes']} MB | {r['script']} s | {r['net']} s | {r['ratio']} |"
            f" {r['cpu_ratio']} | {r['peak_mb']:,} MB | {r['script_peak_mb']:,} MB |"
            for r in results
        ),
        "",
        "Seconds for each step:",
        "",
        f"| rows | {' | '.join(STEPS)} |",
        "|---:" * (len(STEPS) + 1) + "|",
        *(f"| {r['rows']:,} | {' | '.join(str(r['steps'].get(name, '')) for name in STEPS)} |" for r in results),
        "",
        "![Seconds by rows](pictures/benchmarks.svg)",
        "",
        "![Peak memory by rows](pictures/benchmarks-memory.svg)",
        "",
        "## Later runs",
        "",
        "As shares of the first run: of all its seconds, and of its seconds minus start-up.",
        "",
        "| rows | nothing new | newest 1%, rows | seconds | of all | minus start-up | 1% corrected, rows | seconds |"
        " of all | minus start-up |",
        "|---:" * 10 + "|",
        *(
            f"| {r['rows']:,} | {r['again']} s | {r['new_rows']:,} | {r['newest']} | {r['newest_share']} |"
            f" {r['newest_share_net']} | {r['corrected_rows']:,} | {r['corrected']} | {r['corrected_share']} |"
            f" {r['corrected_share_net']} |"
            for r in whole
        ),
        "",
        "Seconds for each step, with the newest 1%:",
        "",
        f"| rows | {' | '.join(STEPS)} |",
        "|---:" * (len(STEPS) + 1) + "|",
        *(f"| {r['rows']:,} | {' | '.join(str(r['newest_steps'].get(name, '')) for name in STEPS)} |" for r in whole),
        "",
    ]
    return "\n".join(lines)


STEPS = ("load", "build", "audit", "publish")


def picture(results: list[dict[str, Any]], lines: dict[str, str], title: str) -> str:
    """An SVG with one line for each key of the results, by rows; both axes are logarithmic."""
    values = [
        {"rows": r["rows"], "y": r[key], "what": what} for r in results for key, what in lines.items() if key in r
    ]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 520,
        "height": 280,
        "background": "white",
        "data": {"values": values},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {
                "field": "rows",
                "type": "quantitative",
                "scale": {"type": "log", "domain": [50_000, 20_000_000]},
                "axis": {"values": [100_000, 1_000_000, 10_000_000], "format": "~s"},
                "title": "rows delivered",
            },
            "y": {
                "field": "y",
                "type": "quantitative",
                "scale": {"type": "log"},
                "axis": {"format": "~s", "tickCount": 6},
                "title": title,
            },
            "color": {
                "field": "what",
                "type": "nominal",
                "title": None,
                "sort": list(lines.values()),
                # Beside the picture, a browser with a wider font cuts the names off.
                "legend": {"orient": "top", "direction": "vertical"},
            },
        },
    }
    return str(vl_convert.vegalite_to_svg(spec))


def main() -> None:
    """Measure the given sizes and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="0.1 M,1.25 M", help=f"of {', '.join(SCALES)}; 12.5 M takes long")
    parser.add_argument("--first-only", default="", help="sizes of which only the first run is measured")
    given = parser.parse_args()
    sizes, first_only = ([name.strip() for name in text.split(",")] for text in (given.sizes, given.first_only))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        first, empty, parts = startup(Path(folder))
        for name in sizes:
            results.append(bench(name, SCALES[name], Path(folder) / name.replace(" ", ""), empty, name in first_only))
            print(json.dumps(results[-1]), flush=True)
            shutil.rmtree(Path(folder) / name.replace(" ", ""))
    docs = ROOT / "docs"
    (docs / "benchmarks.md").write_text(report(results, first, empty, parts), encoding="utf-8")
    seconds = {"script": "plain script", "net": "first run minus start-up", "newest": "newest 1%, with start-up"}
    memory = {"script_peak_mb": "plain script", "peak_mb": "first run"}
    for file, lines, title in (("benchmarks", seconds, "seconds"), ("benchmarks-memory", memory, "MB at the peak")):
        (docs / "pictures" / f"{file}.svg").write_text(picture(results, lines, title), encoding="utf-8")


if __name__ == "__main__":
    main()
