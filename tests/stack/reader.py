"""A reader, as it runs in a container of its own: opens what is published again and again, until it is told to end.

Ends with one line of JSON: how often it read, of how many publications, and each failure.
"""

import json
import os
import signal
import sys
import time

import duckdb

LINK = "/agency/published/current.duckdb"
told = {"reads": 0, "publications": 0, "failures": []}
seen = set()


def end(number, frame):
    print(json.dumps({**told, "publications": len(seen)}), flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
while True:
    try:
        # As docs/analysts.md has it: the link is resolved first.
        with duckdb.connect(os.path.realpath(LINK), read_only=True) as connection:
            identity = connection.execute("select publication_id from marts.publication").fetchall()[0][0]
            connection.execute("select kpi, sum(value), count(*) from marts.kpi_values group by kpi").fetchall()
        told["reads"] += 1
        seen.add(identity)
    except Exception as error:  # noqa: BLE001 - every failure is what is looked for
        told["failures"].append(f"{type(error).__name__}: {error}"[:300])
    time.sleep(0.5)
