"""Spark beside DuckDB: `amkpi run` of the same extracts on both, on one machine; prints a table in Markdown.

Each run begins with an empty HOME and has the cores that it is given: DuckDB and Spark see only those. The last column
counts the rows of `kpi_values` that differ from those of the first run. It needs Java 17 and the environment of `make
test-spark`: `.venv-spark/bin/python -m tools.benchmarks.engines --runs duckdb:2,spark:2,spark:1`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import duckdb

from amkpi.sample_agency import write_sample
from tools.benchmarks.measure import AMKPI, AS_OF, SCALES, STEPS, differing, machine, measure, steps

# `make bench` does not run the last one: it takes half an hour, and needs AMKPI_MEMORY_LIMIT=4GB.
SIZES = {**SCALES, "50 M": 4000.0}


def main() -> None:
    """Measure the given runs of one size and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="1.25 M", choices=SIZES)
    parser.add_argument("--runs", default="duckdb:2,spark:2,spark:1", help="engine:cores, with commas between them")
    parser.add_argument("--spark-memory", default="2g", help="the setting spark_memory")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = sum(write_sample(folder / "extracts", scale=SIZES[given.size], as_of=AS_OF).values())
        print(f"{rows:,} rows; {machine()}\n")
        columns = ("engine", "cores", "seconds", "of CPU", "peak memory", *STEPS, "load average", "differing")
        print(f"| {' | '.join(columns)} |\n|---{'|---:' * (len(columns) - 1)}|", flush=True)
        first = folder / "first.duckdb"
        for run in given.runs.split(","):
            engine, cores = run.strip().split(":")
            print(f"| {measured(folder, engine, int(cores), given.spark_memory, first)} |", flush=True)


def measured(folder: Path, engine: str, cores: int, spark_memory: str, first: Path) -> str:
    """The cells of one run. first: where the values of the first run are kept."""
    home = folder / "home"
    shutil.copytree(folder / "extracts", home / "landing")
    # What else runs on the machine.
    busy = os.getloadavg()[0]
    command = ["taskset", "--cpu-list", f"0-{cores - 1}", str(AMKPI), "run", "--home", str(home)]
    whole = measure(
        [*command, "--as-of", AS_OF.isoformat()],
        AMKPI_SETTLE_SECONDS="0", AMKPI_ENGINE=engine, AMKPI_SPARK_MEMORY=spark_memory,
    )  # fmt: skip
    published = home / "published" / "current.duckdb"
    if not first.exists():
        with duckdb.connect(str(first)) as connection:
            connection.execute(f"attach '{published.resolve()}' as published (read_only)")
            connection.execute("create table kpi_values as from published.marts.kpi_values")
    of_step = steps(whole.output)
    cells = (
        engine, cores, f"{whole.seconds:.0f} s", f"{whole.cpu:.0f} s", f"{whole.peak / 1e6:,.0f} MB",
        *(f"{of_step[step]:.0f}" for step in STEPS), f"{busy:.1f}", differing(first, published),
    )  # fmt: skip
    shutil.rmtree(home)
    return " | ".join(map(str, cells))


if __name__ == "__main__":
    main()
