"""Acts that are killed: `python -m tests.publishing.closing.crash_injection MOMENT` closes, or reopens, in each home.

Lines of JSON on standard input: [home, "close" or "reopen", point]. A point is the moment before or after a rename, a
change of rights, a removal, a sync, or a statement that writes the closing file; they are counted from 1, and 0 kills
nothing. Each act is a process of its own, forked from one that has imported everything. No production code knows this.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from amkpi.core.home import Home
from amkpi.core.settings import load_settings
from amkpi.core.storage.warehouse import connect
from amkpi.publishing.closing import acts
from amkpi.publishing.closing.acts import Request
from tests.ingestion.crash_injection import Point

PERIOD = "2026-Q2"


class Connection:
    """A connection of which each statement is a point."""

    def __init__(self, connection: Any, point: Point) -> None:
        self._connection = connection
        self.execute = point.around(connection.execute)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def dying_act(root: Path, what: str, moment: datetime, fatal: int) -> int:
    """Close or reopen in this home, or die on the way; returns how many points there were."""
    point = Point(fatal)
    for name in ("rename", "replace", "unlink", "chmod"):
        setattr(Path, name, point.around(getattr(Path, name)))
    os.fsync = point.around(os.fsync)
    home = Home.at(root)
    settings = load_settings(home, {"AMKPI_SETTLE_SECONDS": "0"})
    if what == "reopen":
        acts.reopen(home, PERIOD, "An", "why", moment)
        return point.passed
    with connect(home, settings) as connection:
        written = Connection(connection, point)
        acts.close(home, written, Request(PERIOD, "An"), moment)  # type: ignore[arg-type]
    return point.passed


def main() -> None:
    moment = datetime.fromisoformat(sys.argv[1])
    for line in sys.stdin:
        root, what, fatal = json.loads(line)
        child = os.fork()
        if child == 0:
            (Path(root) / "points").write_text(str(dying_act(Path(root), what, moment, fatal)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"killed": os.WIFSIGNALED(status), "code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
