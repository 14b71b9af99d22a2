"""The trigger that starts `load_extracts` when a file is ready in LANDING.

An event does not say which files have come: the run takes every file that is ready. The trigger polls, because a
mounted volume or a network share reports no changes. It reads names, sizes and times, never data.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.ingestion import landing
from amkpi.ingestion.landing import LandingFile

# For files that stay, another event follows after a wait that doubles each time. Airflow can lose an event while a run
# is active, and a run can start a moment too early. A file that no run can take is found by the sweep and the alerts.
FIRST_WAIT, LONGEST_WAIT = 60.0, 600.0
STATE = "notified"

Stamp = tuple[str, int, int]  # name, bytes, time of change in ns


@dataclass
class LandingPoller:
    """Decides when files in LANDING need an event: when they are ready and new, and again while they stay.

    A file is ready when it was changed at least `settle_seconds` ago, or when it has been the same for that long since
    the poller first saw it: the clock of a sender can be wrong. `memory` is the state that the previous poller saved.
    It prevents duplicate and missed events across restarts.
    """

    settle_seconds: float
    memory: dict[str, Any] = field(default_factory=dict)
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
            self._trigger(ready, now, FIRST_WAIT)
            return len(ready)
        # A file that disappears and comes back is new.
        self._notified = notified & ready
        if not ready:
            self.memory = {}
        elif now >= self.memory.get("again_at", now):
            self._trigger(ready, now, min(2 * self.memory.get("wait", FIRST_WAIT / 2), LONGEST_WAIT))
            return len(ready)
        return 0

    def _trigger(self, ready: frozenset[Stamp], now: float, wait: float) -> None:
        self._notified = ready
        self.memory = {"files": _digest(ready), "again_at": now + wait, "wait": wait}


def _digest(stamps: Iterable[Stamp]) -> str:
    """A hash of a set of files: ten thousand names would be too much for Airflow's store."""
    return hashlib.sha256("\n".join(f"{name}\0{size}\0{at}" for name, size, at in sorted(stamps)).encode()).hexdigest()


class LandingTrigger(BaseEventTrigger):  # type: ignore[misc]
    """Emits events for the asset that it watches, as long as it runs. Its memory is in Airflow's asset state store.

    landing: the folder; None: the one of AMKPI_LANDING or AMKPI_HOME in the triggerer. poll_seconds: the time between
    two polls. A folder that is missing or cannot be read is logged once and polled again. The trigger never ends by
    itself.
    """

    def __init__(self, landing: str | None = None, poll_seconds: float = 1.0) -> None:
        super().__init__()
        self.landing, self.poll_seconds = landing, poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and arguments from which Airflow makes it again in the triggerer."""
        return f"{__name__}.{type(self).__name__}", {"landing": self.landing, "poll_seconds": self.poll_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll for ever, and yield an event when one is due. Raises AmkpiError where no folder is given."""
        folder, settle_seconds = self._where(os.environ)
        poller = LandingPoller(settle_seconds, await self._read_memory())
        last_problem = ""
        while True:
            saved = poller.memory
            try:
                # In a thread: a network share that hangs must not hold up the other triggers.
                files = await asyncio.to_thread(_list_files, folder)
                problem = ""
            except AmkpiError as error:
                files, problem = [], str(error)
            if problem != last_problem:
                if problem:
                    self.log.error("%s; until then no run is started for new files", problem)
                else:
                    self.log.info("%s can be read again", folder)
                last_problem = problem
            # An unreadable folder is not an empty one: the files of before stay known.
            if not problem and (count := poller.poll(files, time.time())):
                self.log.info("%d files are ready in %s", count, folder)
                # First the event, then the memory: if the process dies in between, the event comes twice.
                yield TriggerEvent({"files_ready": count})
            if poller.memory != saved:
                await self._save_memory(poller.memory)
            await asyncio.sleep(self.poll_seconds)

    def _where(self, environment: Mapping[str, str]) -> tuple[Path, float]:
        """The folder, and how long a file must stay as it is. Raises AmkpiError."""
        from amkpi.core.settings import Settings, load_settings

        given, root = self.landing or environment.get("AMKPI_LANDING"), environment.get("AMKPI_HOME")
        if not given and not root:
            raise AmkpiError("no landing folder given: set AMKPI_HOME or AMKPI_LANDING for the triggerer")
        home = Home.at(Path(root or "."), Path(given) if given else None)
        try:
            return home.landing, load_settings(home, dict(environment)).landing.settle_seconds
        except AmkpiError as error:
            default: float = Settings.model_fields["landing"].default.settle_seconds
            self.log.error("%s; the trigger uses settle_seconds = %s", error, default)
            return home.landing, default

    async def _read_memory(self) -> dict[str, Any]:
        kept = await self.asset_state_store.aget(STATE) if self.asset_state_store is not None else None
        return kept if isinstance(kept, dict) else {}

    async def _save_memory(self, memory: dict[str, Any]) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(STATE, memory)


def _list_files(folder: Path) -> list[LandingFile]:
    """The files in LANDING. Raises AmkpiError where the folder cannot be read."""
    if not folder.is_dir():
        raise AmkpiError(f"no landing folder {folder}: create it, or give the right one as AMKPI_LANDING")
    try:
        return landing.waiting(folder)
    except OSError as error:
        raise AmkpiError(f"cannot read {error.filename or folder}: {error.strerror}") from error
