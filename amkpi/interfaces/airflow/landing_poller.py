"""When files in LANDING need an event. Without Airflow, which takes seconds to import."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from amkpi.ingestion.landing import LandingFile

# For files that stay, another event follows after a wait that doubles each time. Airflow can lose an event while a run
# is active, and a run can start a moment too early. A file that no run can take is found by the sweep and the alerts.
FIRST_WAIT, LONGEST_WAIT = 60.0, 600.0

Stamp = tuple[str, int, int]  # name, bytes, time of change in ns


@dataclass
class LandingPoller:
    """Decides when files in LANDING need an event: when they are ready and new, and again while they stay.

    A file is ready when it was changed at least `settle_seconds` ago, or when it has been the same for that long since
    the poller first saw it: the clock of a sender can be wrong. first_wait: seconds until the second event for files
    that stay. `memory` is the state that the previous poller saved. It prevents duplicate and missed events across
    restarts.
    """

    settle_seconds: float
    memory: dict[str, Any] = field(default_factory=dict)
    first_wait: float = FIRST_WAIT
    _since: dict[Stamp, float] = field(default_factory=dict)
    _notified: frozenset[Stamp] | None = None

    def poll(self, files: Iterable[LandingFile], now: float) -> int:
        """Returns for how many files an event is due; 0: none. The caller saves `memory` when it has changed.

        now: seconds since 1970.
        """
        present = [(each.name, each.size, each.changed_ns) for each in files]
        self._since = {stamp: self._since.get(stamp, now) for stamp in present}
        ready = frozenset(
            stamp
            for stamp, since in self._since.items()
            if now - stamp[2] / 1e9 >= self.settle_seconds or now - since >= self.settle_seconds
        )
        notified = self._notified
        if notified is None:  # the first poll after a start
            notified = ready if self.memory.get("files") == _digest(ready) else frozenset()
        if ready - notified:
            self._trigger(ready, now, self.first_wait)
            return len(ready)
        # A file that disappears and comes back is new.
        self._notified = notified & ready
        if not ready:
            self.memory = {}
        elif now >= self.memory.get("again_at", now):
            self._trigger(ready, now, min(2 * self.memory.get("wait", self.first_wait / 2), LONGEST_WAIT))
            return len(ready)
        return 0

    def _trigger(self, ready: frozenset[Stamp], now: float, wait: float) -> None:
        self._notified = ready
        self.memory = {"files": _digest(ready), "again_at": now + wait, "wait": wait}


def _digest(stamps: Iterable[Stamp]) -> str:
    """A hash of a set of files: ten thousand names would be too much for Airflow's store."""
    return hashlib.sha256("\n".join(f"{name}\0{size}\0{at}" for name, size, at in sorted(stamps)).encode()).hexdigest()
