"""`python -m tools.benchmarks.group`: seconds and memory of `amkpi group build` for 10, 100 and 500 agencies.

One small sample agency is loaded, built and published; the others are links to its Parquet files under ids of their
own. Each group is built twice in processes of their own: the second build has another rate, so that everything is built
again with dbt's project in the cache. It prints a row of a Markdown table for each size.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb

from amkpi.core.storage.sql import literal
from tools.benchmarks.measure import AMKPI, Measured, measure

AS_OF = date(2026, 10, 17)
SIZES = (10, 100, 500)
# About 2,500 rows of extracts, 18 months.
SCALE, MONTHS = "0.2", "18"


def published_agency(root: Path) -> Path:
    """A published sample agency in its HOME; returns the folder of its Parquet files."""
    home, as_of = root / "sample", ("--as-of", AS_OF.isoformat())
    measure([str(AMKPI), "sample", str(home / "landing"), "--scale", SCALE, "--months", MONTHS, *as_of])
    measure([str(AMKPI), "run", "--home", str(home), *as_of], AMKPI_PUBLISH_PARQUET="true", AMKPI_SETTLE_SECONDS="0")
    return (home / "published" / "parquet" / "current").resolve()


def make_group(root: Path, parquet: Path, count: int) -> Path:
    """A group of so many agencies in five regions, every second one in another currency; returns agencies.toml."""
    entries = ['[group]\nname = "Benchmark"\nreporting_currency = "VND"\n']
    with duckdb.connect() as connection:
        for number in range(count):
            identity, home = f"{number:016x}", root / f"a{number:03}"
            folder = home / "published" / "parquet" / identity
            for file in parquet.rglob("*.parquet"):
                target = folder / file.relative_to(parquet)
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.parent.name == "publication":
                    currency = "USD" if number % 2 else "VND"
                    connection.execute(
                        f"copy (select * replace ('{identity}' as publication_id, '{currency}' as reporting_currency)"
                        f" from {literal(str(file))}) to {literal(str(target))} (format parquet)"
                    )
                else:
                    os.link(file, target)
            publication = home / "published" / f"kpi_{identity}.duckdb"
            publication.touch()
            (home / "published" / "current.duckdb").symlink_to(publication.name)
            entries.append(
                f'[[agencies]]\ncode = "a{number:03}"\nname = "Agency {number}"\nregion = "R{number % 5}"\n'
                f'home = "a{number:03}"\n'
            )
    (root / "agencies.toml").write_text("\n".join(entries))
    return root / "agencies.toml"


def main() -> None:
    """Measure the sizes that are given, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    sizes: list[int] = parser.parse_args().sizes
    heads = ("agencies", "records × periods", "seconds", "CPU seconds", "memory", "nothing new, seconds",
             "one quarter, seconds", "publication")  # fmt: skip
    print(f"| {' | '.join(heads)} |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        parquet = published_agency(Path(work))
        for count in sizes:
            root = Path(work) / str(count)
            root.mkdir()
            file = make_group(root, parquet, count)
            _build(file, 25_000)
            again = _build(file, 26_000)
            nothing_new = _build(file, 26_000)
            current = root / "group" / "published" / "group.duckdb"
            with duckdb.connect(str(current.resolve()), read_only=True) as connection:
                ((records,),) = connection.execute("select count(*) from marts.group_kpi_evidence").fetchall()
            print(
                f"| {count} | {records:,} | {again.seconds:.1f} | {again.cpu:.1f} | {again.peak / 1e6:,.0f} MB"
                f" | {nothing_new.seconds:.1f} | {_one_quarter(root):.2f} | {current.stat().st_size / 1e6:,.0f} MB |"
            )
            sys.stdout.flush()


def _build(file: Path, rate: int) -> Measured:
    (file.parent / "fx_rates.csv").write_text(f"currency,rate_date,rate\nUSD,2000-01-01,{rate}\n")
    return measure([str(AMKPI), "group", "build", "--agencies", str(file)])


def _one_quarter(root: Path) -> float:
    """Seconds to read the values of a quarter of every company from the agencies' Parquet files."""
    started = time.monotonic()
    with duckdb.connect() as connection:
        files = literal(str(root / "a*" / "published" / "parquet" / "*" / "kpi_values" / "quarter.parquet"))
        connection.execute(
            f"select kpi, sum(numerator), sum(denominator) from read_parquet({files})"
            " where scope = 'company' and period_start = date '2026-07-01' group by kpi"
        ).fetchall()
    return time.monotonic() - started


if __name__ == "__main__":
    main()
