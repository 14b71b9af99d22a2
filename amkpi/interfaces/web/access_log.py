"""Who opened which page when: one file a day in HOME/state/access/, one JSON object a line, and no number of a page."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

FOLDER = "access"
# A path is as long as its sender likes; the log is not.
_MOST_CHARACTERS = 300


@dataclass(frozen=True)
class View:
    """One request of who has signed in. who: the staff id, or the address of who has none."""

    at: datetime
    who: str
    method: str
    path: str
    status: int
    publication: str


class AccessLog:
    """Appends views, and removes the files of days that are too old. Safe for threads."""

    def __init__(self, state: Path, keep_days: int) -> None:
        """state: HOME/state/."""
        self._folder, self._keep_days = state / FOLDER, keep_days
        self._lock = threading.Lock()
        self._pruned: date | None = None

    def write(self, view: View) -> None:
        """Append a view. Raises OSError: what cannot be logged must not be shown."""
        content = asdict(view) | {"at": view.at.isoformat(timespec="seconds"), "path": view.path[:_MOST_CHARACTERS]}
        line = json.dumps(content, ensure_ascii=True, separators=(",", ":")) + "\n"
        day = view.at.date()
        with self._lock:
            if self._pruned != day:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._prune(day)
                self._pruned = day
            # One write of a line: lines of several processes never mix.
            descriptor = os.open(self._folder / f"{day}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)

    def _prune(self, today: date) -> None:
        oldest = (today - timedelta(days=self._keep_days)).isoformat()
        for file in self._folder.glob("*.jsonl"):
            if file.stem < oldest:
                file.unlink(missing_ok=True)
