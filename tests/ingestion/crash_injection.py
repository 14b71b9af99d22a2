"""Loads that are killed: `python -m tests.ingestion.crash_injection` loads in each given home and kills each load.

A point is the moment before or after a rename, a removal, a commit, the delivery log or the mark in the ledger; they
are counted from 1. Or, for `~0.05`, that many seconds after the start. Each load is a process of its own, forked from
one that has everything imported. No production code knows of this.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.core.storage.warehouse import connect
from amkpi.ingestion import delivery_log, ledger
from amkpi.pipeline import steps


class Point:
    """Counts the points that the load passes, and dies at one of them."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.passed = 0

    def reached(self) -> None:
        self.passed += 1
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            self.reached()
            result = function(*args, **options)
            self.reached()
            return result

        return wrapped


class Connection:
    """A connection whose commits are points."""

    def __init__(self, connection: Any, point: Point) -> None:
        self._connection = connection
        self.commit = point.around(connection.commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def dying_load(root: Path, moment: datetime, fatal: int) -> int:
    """Load in this home, or die on the way; returns how many points there were."""
    point = Point(fatal)
    for name in ("rename", "replace", "unlink"):
        setattr(Path, name, point.around(getattr(Path, name)))
    delivery_log.write = point.around(delivery_log.write)
    ledger.mark_settled = point.around(ledger.mark_settled)

    @contextmanager
    def watched(*args: Any) -> Iterator[Any]:
        with connect(*args) as connection:
            yield Connection(connection, point)

    steps.connect = watched  # type: ignore[assignment]
    home = Home.at(root)
    run = Run(home, load_settings(home, {"AMKPI_SETTLE_SECONDS": "0"}), date(2026, 10, 17))
    steps.load(replace(run, now=lambda: moment))
    return point.passed


def main() -> None:
    moment = datetime.fromisoformat(sys.argv[1])
    for line in sys.stdin:
        root, when = json.loads(line)
        child = os.fork()
        if child == 0:
            points = dying_load(Path(root), moment, 0 if isinstance(when, str) else when)
            (Path(root) / "points").write_text(str(points))
            os._exit(0)
        if isinstance(when, str):
            time.sleep(float(when.removeprefix("~")))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"killed": os.WIFSIGNALED(status), "code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
