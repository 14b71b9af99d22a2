"""The trigger that starts `amkpi_load_extracts` when a file is ready in LANDING.

An event does not say which files have come: the run takes every file that is ready. The trigger polls, because a
mounted volume or a network share reports no changes. It reads names, sizes and times, never data.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from amkpi.core.agencies import Agencies, current_agencies
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.ingestion import landing
from amkpi.ingestion.landing import LandingFile
from amkpi.interfaces.airflow.landing_poller import FIRST_WAIT, LONGEST_WAIT, LandingPoller

STATE = "notified"
# Of all agencies together: a poll lists a dozen folders, about a millisecond of CPU.
POLLS_PER_SECOND = 50


@dataclass(frozen=True)
class Watched:
    """What the trigger watches. group: as agencies.toml was when it said so; None without AMKPI_AGENCIES.

    settle_seconds: how long a file must stay as it is. pause: seconds between two polls.
    """

    group: Agencies | None
    landing: Path
    settle_seconds: float
    pause: float


class LandingTrigger(BaseEventTrigger):  # type: ignore[misc]
    """Emits events for the asset that it watches, as long as it runs. Its memory is in Airflow's asset state store.

    landing: the folder; None: the one of AMKPI_LANDING or AMKPI_HOME in the triggerer. poll_seconds: the time between
    two polls. agency: the code of the agency of agencies.toml whose LANDING it is, also after it has moved there; among
    many agencies the polls are further apart. A folder that is missing or cannot be read is logged once and polled
    again. The trigger never ends by itself.
    """

    def __init__(self, landing: str | None = None, poll_seconds: float = 1.0, agency: str | None = None) -> None:
        super().__init__()
        self.landing, self.poll_seconds, self.agency = landing, poll_seconds, agency
        self._told: dict[str, str] = {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and arguments from which Airflow makes it again in the triggerer."""
        arguments = {"landing": self.landing, "poll_seconds": self.poll_seconds}
        if self.agency is not None:
            arguments["agency"] = self.agency
        return f"{__name__}.{type(self).__name__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll for ever, and yield an event when one is due. Raises AmkpiError where no folder is given."""
        watched = self._watched(os.environ)
        poller = LandingPoller(watched.settle_seconds, await self._read_memory())
        while True:
            # In a thread: a network share that hangs must not hold up the other triggers.
            watched, files = await asyncio.to_thread(self._look, watched)
            # Files that moved with their folder stay known: the poller knows them by name, size and time.
            poller.settle_seconds, poller.first_wait = watched.settle_seconds, self._first_wait(watched)
            saved = poller.memory
            if files is not None and (count := poller.poll(files, time.time())):
                self.log.info("%d files are ready in %s", count, watched.landing)
                # First the event, then the memory: if the process dies in between, the event comes twice.
                yield TriggerEvent({"files_ready": count})
            if poller.memory != saved:
                await self._save_memory(poller.memory)
            await asyncio.sleep(watched.pause)

    def _look(self, watched: Watched) -> tuple[Watched, list[LandingFile] | None]:
        now = self._watched_now(watched, os.environ)
        return now, self._files_in(now.landing)

    def _files_in(self, folder: Path) -> list[LandingFile] | None:
        """The files in LANDING; None if it cannot be read. That is not an empty one: the files of before stay known."""
        try:
            files = _list_files(folder)
        except AmkpiError as error:
            self._tell(str(folder), str(error), "no run is started for new files")
            return None
        self._tell(str(folder), "")
        return files

    def _watched_now(self, watched: Watched, environment: Mapping[str, str]) -> Watched:
        """What to watch from now on: something else where agencies.toml has changed, and can be read."""
        if self.agency is None:
            return watched
        try:
            # The same object as long as the file is the same.
            if current_agencies(environment) is not watched.group:
                watched = self._watched(environment)
        except AmkpiError as error:
            self._tell("agencies.toml", str(error), f"{watched.landing} is watched")
        else:
            self._tell("agencies.toml", "")
        return watched

    def _watched(self, environment: Mapping[str, str]) -> Watched:
        """What the environment and agencies.toml say now. Raises AmkpiError."""
        group = current_agencies(environment)
        home = self._home(environment)
        many = 0 if group is None else len(group.agencies)
        pause = max(self.poll_seconds, many / POLLS_PER_SECOND)
        return Watched(group, home.landing, self._settle_seconds(home, environment), pause)

    def _settle_seconds(self, home: Home, environment: Mapping[str, str]) -> float:
        from amkpi.core.settings import Settings, load_settings

        try:
            return load_settings(home, dict(environment)).landing.settle_seconds
        except (AmkpiError, OSError) as error:
            default: float = Settings.model_fields["landing"].default.settle_seconds
            self.log.error("%s; the trigger uses settle_seconds = %s", error, default)
            return default

    def _first_wait(self, watched: Watched) -> float:
        # Among many agencies a file may wait for its turn: each further event would be one more run that finds nothing.
        return min(FIRST_WAIT * watched.pause / self.poll_seconds, LONGEST_WAIT)

    def _tell(self, about: str, problem: str, meanwhile: str = "") -> None:
        """Log a problem of a file or folder once, and once that it is over."""
        if problem == self._told.get(about, ""):
            return
        self._told[about] = problem
        if problem:
            self.log.error("%s; until then %s", problem, meanwhile)
        else:
            self.log.info("%s can be read again", about)

    def _home(self, environment: Mapping[str, str]) -> Home:
        """The home whose LANDING it is. Raises AmkpiError."""
        if self.agency is not None:
            group = current_agencies(environment)
            if group is None:
                raise AmkpiError(f"the trigger is of the agency {self.agency}: set AMKPI_AGENCIES for the triggerer")
            return group.of_code(self.agency).home
        given, root = self.landing or environment.get("AMKPI_LANDING"), environment.get("AMKPI_HOME")
        if not given and not root:
            raise AmkpiError("no landing folder given: set AMKPI_HOME or AMKPI_LANDING for the triggerer")
        return Home.at(Path(root or "."), Path(given) if given else None)

    async def _read_memory(self) -> dict[str, Any]:
        kept = await self.asset_state_store.aget(STATE) if self.asset_state_store is not None else None
        return kept if isinstance(kept, dict) else {}

    async def _save_memory(self, memory: dict[str, Any]) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(STATE, memory)


def _list_files(folder: Path) -> list[LandingFile]:
    """The files in LANDING. Raises AmkpiError where the folder cannot be read."""
    try:
        if not folder.is_dir():
            raise AmkpiError(f"no landing folder {folder}: create it, or give the right one as AMKPI_LANDING")
        return landing.waiting(folder)
    except OSError as error:
        raise AmkpiError(f"cannot read {error.filename or folder}: {error.strerror}") from error
