"""`make bench`: time and memory of `amkpi run` against one plain DuckDB script, in one run on one machine.

For each size: seeded extracts; the plain script (load and `kpi_values` only); `amkpi run` from an empty home; a second
run with nothing new; a run with 1% new rows. What is compared is checked to be the same. Figures are ratios within this
run: a machine's seconds mean nothing elsewhere. Writes docs/benchmarks.md and docs/pictures/benchmarks.svg.
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

import duckdb
import vl_convert

from amkpi.sample import write_sample

ROOT = Path(__file__).resolve().parents[1]
AMKPI = Path(sys.executable).with_name("amkpi")
AS_OF = date(2026, 10, 17)
# About 12,500 rows at scale 1.
SCALES = {"0.1 M": 8.0, "1.25 M": 100.0, "12.5 M": 1000.0}


SAMPLED_EVERY = 0.05


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
        # The audit has a process of its own, and the largest of two is not what both take: their memory is added up as
        # they run. A look costs milliseconds of one of them; what lies between two looks is missed.
        while not ended:
            peak = max(peak, memory_of_tree(process.pid))
            time.sleep(SAMPLED_EVERY)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        seconds = time.monotonic() - started
        output.seek(0)
        text = output.read()
    if status:
        raise RuntimeError(f"{' '.join(command)} failed:\n{text}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, max(peak, usage.ru_maxrss * 1024), text)


def memory_of_tree(process: int) -> int:
    """Bytes that a process and those it started hold now; of what they share each counts its part (PSS)."""
    total, waiting = 0, [process]
    while waiting:
        folder = Path("/proc") / str(waiting.pop())
        try:
            children = [path.read_text().split() for path in folder.glob("task/*/children")]
            waiting += [int(child) for found in children for child in found]
            rollup = (folder / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


def run(home: Path) -> Measured:
    """`amkpi run` on a home, without a wait for files to settle."""
    return measure([str(AMKPI), "run", "--home", str(home), "--as-of", AS_OF.isoformat()], AMKPI_SETTLE_SECONDS="0")


def steps(output: str) -> dict[str, float]:
    """The seconds of each step, from the lines that the command prints."""
    return {name: float(seconds) for name, seconds in re.findall(r"✓ (\w+)\s+([\d.]+) s", output)}


def differing(plain: Path, published: Path) -> int:
    """How many rows of `kpi_values` the script and the marts do not share, to a relative 1e-9."""
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


def one_percent(home: Path) -> int:
    """Deliver corrections of every hundredth row of the four largest extracts; returns how many rows."""
    count = 0
    for path in sorted((home / "archive").rglob("*.csv")):
        lines = path.read_text(encoding="utf-8").splitlines()
        extract = next((e for e, key in KEYS.items() if lines[0].startswith(key)), None)
        if extract is None:
            continue
        chosen = lines[1::100]
        target = home / "landing" / extract / "corrections.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join([lines[0], *chosen]) + "\n", encoding="utf-8")
        count += len(chosen)
    return count


KEYS = {
    "project_costs": "cost_id",
    "projects": "project_id",
    "client_surveys": "response_id",
    "peer_reviews": "review_id",
}


def bench(name: str, scale: float, folder: Path, empty: Measured) -> dict[str, object]:
    """Everything that is measured of one size."""
    landing = folder / "extracts"
    rows = sum(write_sample(landing, scale=scale, as_of=AS_OF).values())
    size = sum(path.stat().st_size for path in landing.rglob("*.csv"))
    plain = measure([sys.executable, str(ROOT / "benchmarks" / "plain.py"), str(landing), AS_OF.isoformat(),
                     str(folder / "plain.duckdb")])  # fmt: skip
    home = folder / "home"
    shutil.copytree(landing, home / "landing")
    whole = run(home)
    differ = differing(folder / "plain.duckdb", home / "published" / "current.duckdb")
    if differ:
        raise RuntimeError(f"{name}: {differ} rows of kpi_values differ: the two do not compute the same")
    again = run(home)
    new_rows = one_percent(home)
    some = run(home)
    script = json.loads(plain.output.strip().splitlines()[-1])
    return {
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
        "again": round(again.seconds, 2),
        "new_rows": new_rows,
        "some": round(some.seconds, 2),
        "some_share": round(some.seconds / whole.seconds, 2),
        "steps": steps(whole.output),
    }


def report(results: list[dict[str, object]], empty: Measured) -> str:
    """The page, in Markdown."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; do not edit. One run on one machine: "
        f"{os.cpu_count()} cores, {int(memory.split()[1]) // 1024**2} GiB, Python {platform.python_version()}, DuckDB"
        f" {duckdb.__version__}.",
        "",
        "The script (`benchmarks/plain.py`) loads the same clean files and computes the same `kpi_values`; that they"
        " are the same, row for row, was checked. It has no row rules, quarantine, history, evidence,"
        " scorecards or audit.",
        "",
        f"Start-up (`amkpi run` of an empty agency): {empty.seconds:.1f} s"
        f" ({', '.join(f'{k} {v} s' for k, v in steps(empty.output).items())}), peak {empty.peak / 1e6:.0f} MB.",
        "",
        "| rows | CSV | script | run less start-up | ratio | ratio (CPU) | peak | nothing new | 1% new, of the whole |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in results:
        lines.append(
            f"| {r['rows']:,} | {r['megabytes']} MB | {r['script']} s | {r['net']} s | {r['ratio']} |"
            f" {r['cpu_ratio']} | {r['peak_mb']} MB | {r['again']} s | {r['some_share']} |"
        )
    names = ("load", "build", "audit", "publish")
    lines += ["", "Seconds a step of the first run:", ""]
    lines += [f"| rows | {' | '.join(names)} |", "|---:" * 5 + "|"]
    for r in results:
        step = r["steps"]
        assert isinstance(step, dict)
        lines.append(f"| {r['rows']:,} | {' | '.join(str(step.get(name, '')) for name in names)} |")
    lines += ["", "![Seconds and memory by rows](pictures/benchmarks.svg)", ""]
    return "\n".join(lines)


def picture(results: list[dict[str, object]]) -> str:
    """Seconds by rows, both axes logarithmic, as SVG."""
    values = [
        {"rows": r["rows"], "seconds": r[key], "what": what}
        for r in results
        for key, what in (("script", "plain script"), ("net", "amkpi run less start-up"), ("again", "nothing new"))
    ]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 520,
        "height": 300,
        "background": "white",
        "data": {"values": values},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "rows", "type": "quantitative", "scale": {"type": "log"}, "title": "rows"},
            "y": {"field": "seconds", "type": "quantitative", "scale": {"type": "log"}, "title": "seconds"},
            "color": {"field": "what", "type": "nominal", "title": None},
        },
    }
    return str(vl_convert.vegalite_to_svg(spec))


def main() -> None:
    """Measure the sizes asked for and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="0.1 M,1.25 M", help=f"of {', '.join(SCALES)}; 12.5 M takes long")
    sizes = [name.strip() for name in parser.parse_args().sizes.split(",")]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        empty = run(Path(folder) / "empty")
        for name in sizes:
            results.append(bench(name, SCALES[name], Path(folder) / name.replace(" ", ""), empty))
            print(json.dumps(results[-1]), flush=True)
            shutil.rmtree(Path(folder) / name.replace(" ", ""))
    (ROOT / "docs" / "benchmarks.md").write_text(report(results, empty), encoding="utf-8")
    (ROOT / "docs" / "pictures" / "benchmarks.svg").write_text(picture(results), encoding="utf-8")


if __name__ == "__main__":
    main()
