"""The trigger that starts `amkpi_load_extracts` when a file is ready in LANDING.

An event does not say which files have come: the run takes every file that is ready. The trigger polls, because a
mounted volume or a network share reports no changes. It reads names, sizes and times, never data.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from amkpi.core.agencies import current_agencies
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.ingestion import landing
from amkpi.ingestion.landing import LandingFile
from amkpi.interfaces.airflow.landing_poller import FIRST_WAIT, LONGEST_WAIT, LandingPoller

STATE = "notified"
# Of all agencies together: a poll lists a dozen folders, about a millisecond of CPU.
POLLS_PER_SECOND = 50


class LandingTrigger(BaseEventTrigger):  # type: ignore[misc]
    """Emits events for the asset that it watches, as long as it runs. Its memory is in Airflow's asset state store.

    landing: the folder; None: the one of AMKPI_LANDING or AMKPI_HOME in the triggerer. poll_seconds: the time between
    two polls. agency: the code of the agency of agencies.toml whose LANDING it is; among many agencies the polls are
    further apart. A folder that is missing or cannot be read is logged once and polled again. The trigger never ends by
    itself.
    """

    def __init__(self, landing: str | None = None, poll_seconds: float = 1.0, agency: str | None = None) -> None:
        super().__init__()
        self.landing, self.poll_seconds, self.agency = landing, poll_seconds, agency

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and arguments from which Airflow makes it again in the triggerer."""
        arguments = {"landing": self.landing, "poll_seconds": self.poll_seconds}
        if self.agency is not None:
            arguments["agency"] = self.agency
        return f"{__name__}.{type(self).__name__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll for ever, and yield an event when one is due. Raises AmkpiError where no folder is given."""
        folder, settle_seconds = self._where(os.environ)
        pause = self._pause(os.environ)
        # Among many agencies a file may wait for its turn: each further event would be one more run that finds nothing.
        first_wait = min(FIRST_WAIT * pause / self.poll_seconds, LONGEST_WAIT)
        poller = LandingPoller(settle_seconds, await self._read_memory(), first_wait)
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
            await asyncio.sleep(pause)

    def _where(self, environment: Mapping[str, str]) -> tuple[Path, float]:
        """The folder, and how long a file must stay as it is. Raises AmkpiError."""
        from amkpi.core.settings import Settings, load_settings

        home = self._home(environment)
        try:
            return home.landing, load_settings(home, dict(environment)).landing.settle_seconds
        except AmkpiError as error:
            default: float = Settings.model_fields["landing"].default.settle_seconds
            self.log.error("%s; the trigger uses settle_seconds = %s", error, default)
            return home.landing, default

    def _pause(self, environment: Mapping[str, str]) -> float:
        """Seconds between two polls."""
        group = current_agencies(environment)
        return self.poll_seconds if group is None else max(self.poll_seconds, len(group.agencies) / POLLS_PER_SECOND)

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
    if not folder.is_dir():
        raise AmkpiError(f"no landing folder {folder}: create it, or give the right one as AMKPI_LANDING")
    try:
        return landing.waiting(folder)
    except OSError as error:
        raise AmkpiError(f"cannot read {error.filename or folder}: {error.strerror}") from error
