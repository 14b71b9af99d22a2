"""The watch over LANDING: a trigger that rings `load_extracts` when a file is ready, and again while one stays.

A ring is a doorbell and says nothing of what came: whoever hears it takes everything that is ready. It polls, since a
mounted volume or a share tells nobody of its changes, and reads names, sizes and times, never data.
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

# What stays is rung for again, ever more seldom: Airflow may swallow an event while a run is active, and a load may
# have come a moment too early. A file that no load can take is the sweep's, and the operator's.
FIRST_AGAIN, SELDOM_AGAIN = 60.0, 600.0
STATE = "rung"

Stamp = tuple[str, int, int]  # name, bytes, time of change in ns


@dataclass
class Doorbell:
    """When to ring: for files that are ready and were not rung for, and again for what stays.

    A file is ready when its time of change lies `settle_seconds` back, or when it stayed the same that long under our
    eyes (a sender's clock may be wrong). `memory` is what a doorbell before this one left, so that a restart neither
    rings for what was rung for, nor leaves out what came meanwhile.
    """

    settle_seconds: float
    memory: dict[str, Any] = field(default_factory=dict)
    _since: dict[Stamp, float] = field(default_factory=dict)
    _rung: frozenset[Stamp] | None = None

    def hears(self, files: Iterable[LandingFile], now: float) -> int:
        """How many files to ring for; 0: no ring. now: seconds since 1970. `memory` is to be kept when it changed."""
        seen = [(each.name, each.size, each.changed_ns) for each in files]
        self._since = {stamp: self._since.get(stamp, now) for stamp in seen}
        ready = frozenset(
            stamp
            for stamp, since in self._since.items()
            if now - stamp[2] / 1e9 >= self.settle_seconds or now - since >= self.settle_seconds
        )
        rung = self._rung
        if rung is None:  # the first look after a start
            rung = ready if self.memory.get("files") == _digest(ready) else frozenset()
        if ready - rung:
            self._ring(ready, now, FIRST_AGAIN)
            return len(ready)
        # What went away and comes back is news.
        self._rung = rung & ready
        if not ready:
            self.memory = {}
        elif now >= self.memory.get("again_at", now):
            self._ring(ready, now, min(2 * self.memory.get("wait", FIRST_AGAIN / 2), SELDOM_AGAIN))
            return len(ready)
        return 0

    def _ring(self, ready: frozenset[Stamp], now: float, wait: float) -> None:
        self._rung = ready
        self.memory = {"files": _digest(ready), "again_at": now + wait, "wait": wait}


def _digest(stamps: Iterable[Stamp]) -> str:
    """A set of files in a few bytes: the store is no place for ten thousand names."""
    return hashlib.sha256("\n".join(f"{name}\0{size}\0{at}" for name, size, at in sorted(stamps)).encode()).hexdigest()


class LandingTrigger(BaseEventTrigger):  # type: ignore[misc]
    """Rings the asset that it watches, for as long as it runs. Its memory lies in the asset's state store.

    landing: the folder; None: where AMKPI_LANDING or AMKPI_HOME of the triggerer says. poll_seconds: between two looks.
    A folder that is gone or cannot be read is said once, and looked for again; the trigger never ends by itself.
    """

    def __init__(self, landing: str | None = None, poll_seconds: float = 1.0) -> None:
        super().__init__()
        self.landing, self.poll_seconds = landing, poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How Airflow makes it anew in the triggerer."""
        return f"{__name__}.{type(self).__name__}", {"landing": self.landing, "poll_seconds": self.poll_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; an event a ring. Raises AmkpiError where nobody says which folder."""
        folder, settle_seconds = self._where(os.environ)
        bell = Doorbell(settle_seconds, await self._remembered())
        said = ""
        while True:
            kept = bell.memory
            try:
                # In a thread: a share that hangs must not hold up every other trigger.
                files = await asyncio.to_thread(_look, folder)
                trouble = ""
            except AmkpiError as error:
                files, trouble = [], str(error)
            if trouble != said:
                if trouble:
                    self.log.error("%s; nobody is rung for until then", trouble)
                else:
                    self.log.info("%s can be read again", folder)
                said = trouble
            # An unreadable folder is no empty one: what was rung for stays known.
            if not trouble and (count := bell.hears(files, time.time())):
                self.log.info("%d files are ready in %s", count, folder)
                # First the event, then the memory: cut off in between, it rings once too often, never too seldom.
                yield TriggerEvent({"files_ready": count})
            if bell.memory != kept:
                await self._remember(bell.memory)
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
            self.log.error("%s; the watch goes on with settle_seconds = %s", error, default)
            return home.landing, default

    async def _remembered(self) -> dict[str, Any]:
        kept = await self.asset_state_store.aget(STATE) if self.asset_state_store is not None else None
        return kept if isinstance(kept, dict) else {}

    async def _remember(self, memory: dict[str, Any]) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(STATE, memory)


def _look(folder: Path) -> list[LandingFile]:
    """What lies in LANDING. Raises AmkpiError where it cannot be told."""
    if not folder.is_dir():
        raise AmkpiError(f"no landing folder {folder}: create it, or give the right one as AMKPI_LANDING")
    try:
        return landing.waiting(folder)
    except OSError as error:
        raise AmkpiError(f"cannot look at {error.filename or folder}: {error.strerror}") from error
