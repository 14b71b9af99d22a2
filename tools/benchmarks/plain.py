"""The script that `make bench` compares with: plain DuckDB, the same clean files, the same `kpi_values`.

An analyst would write this by hand for clean data. It has no row rules, quarantine, history of deliveries, evidence,
scorecards or audit. `python tools/benchmarks/plain.py LANDING AS_OF OUT.duckdb` prints its seconds as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

SQL = Path(__file__).with_name("plain.sql")


def main(landing: Path, as_of: str, target: Path) -> None:
    """Load every extract with DuckDB's CSV reader, then run `plain.sql`."""
    started = time.monotonic()
    connection = duckdb.connect(str(target))
    connection.execute("set memory_limit = '1GB'")
    for folder in sorted(landing.iterdir()):
        connection.execute(f"create table {folder.name} as from read_csv('{folder}/*.csv', header = true)")
    loaded = time.monotonic()
    connection.execute(f"set variable as_of = date '{as_of}'")
    connection.execute(SQL.read_text(encoding="utf-8"))
    connection.close()
    done = time.monotonic()
    print(json.dumps({"load": loaded - started, "compute": done - loaded, "all": done - started}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
