"""The landing trigger: when it emits events, what it remembers, and what it survives."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from amkpi.ingestion.landing import LandingFile
from amkpi.interfaces.airflow.landing_poller import FIRST_WAIT, LONGEST_WAIT, LandingPoller

if TYPE_CHECKING:
    from amkpi.interfaces.airflow.landing_trigger import LandingTrigger

NOON = 1_790_000_000.0


def seen(name: str, changed: float = NOON - 60, size: int = 1) -> LandingFile:
    return LandingFile(name, Path("/landing") / name, 0o100644, 1, size, int(changed * 1e9))


def trigger_on(landing: str | None = None, **given: Any) -> LandingTrigger:
    """A trigger. Imported here: every test process reads this file, and Airflow takes 3 s."""
    from amkpi.interfaces.airflow.landing_trigger import LandingTrigger

    return LandingTrigger(landing, **given)


def counts(poller: LandingPoller, files: Iterable[LandingFile], *moments: float) -> list[int]:
    """What the poller returns at these seconds after noon, while the files stay the same."""
    return [poller.poll(list(files), NOON + moment) for moment in moments]


def test_a_file_gets_an_event_when_it_has_settled() -> None:
    growing = LandingPoller(settle_seconds=2)
    assert growing.poll([seen("a", NOON, size=1)], NOON) == 0
    assert growing.poll([seen("a", NOON + 1.5, size=2)], NOON + 2) == 0
    assert growing.poll([seen("a", NOON + 1.5, size=2)], NOON + 3.5) == 1


def test_a_file_from_a_clock_that_is_ahead_is_ready_when_it_stayed_the_same() -> None:
    assert counts(LandingPoller(settle_seconds=2), [seen("a", NOON + 9999)], 0, 1, 2.1, 3) == [0, 0, 1, 0]


def test_a_burst_of_files_is_one_event_and_each_later_file_is_one_more() -> None:
    poller = LandingPoller(settle_seconds=0)
    burst = [seen(f"{number}") for number in range(3000)]
    assert counts(poller, burst, 0, 1, 2) == [3000, 0, 0]
    assert counts(poller, [*burst, seen("late")], 3, 4) == [3001, 0]


def test_a_file_that_disappears_gives_no_event_and_is_new_when_it_comes_back() -> None:
    poller = LandingPoller(settle_seconds=0)
    assert counts(poller, [seen("a"), seen("b")], 0) == [2]
    assert counts(poller, [seen("b")], 1) == [0]
    assert counts(poller, [seen("a"), seen("b")], 2) == [2]
    assert counts(poller, [], 3) == [0]
    assert counts(poller, [seen("a")], 4) == [1]


def test_a_file_of_the_same_name_with_other_bytes_is_new() -> None:
    poller = LandingPoller(settle_seconds=0)
    assert counts(poller, [seen("a", size=1)], 0) == [1]
    assert counts(poller, [seen("a", size=2)], 1) == [1]


def test_a_file_that_stays_gets_further_events_after_growing_waits() -> None:
    poller = LandingPoller(settle_seconds=0)
    events = [moment for moment in range(4000) if poller.poll([seen("stuck")], NOON + moment)]
    assert events[:3] == [0, FIRST_WAIT, FIRST_WAIT + 2 * FIRST_WAIT]
    assert {later - sooner for sooner, later in pairwise(events[5:])} == {LONGEST_WAIT}


def test_a_new_file_resets_the_wait() -> None:
    poller = LandingPoller(settle_seconds=0)
    counts(poller, [seen("stuck")], *range(0, 1000, 10))
    both = [seen("stuck"), seen("new")]
    assert counts(poller, both, 1001, 1001 + FIRST_WAIT - 1, 1001 + FIRST_WAIT) == [2, 0, 2]


def test_after_a_restart_known_files_get_no_event_and_new_ones_do() -> None:
    before = LandingPoller(settle_seconds=2)
    assert counts(before, [seen("a"), seen("b")], 0) == [2]
    same = LandingPoller(settle_seconds=2, memory=dict(before.memory))
    assert counts(same, [seen("b"), seen("a")], 1, 2) == [0, 0]
    more = LandingPoller(settle_seconds=2, memory=dict(before.memory))
    assert counts(more, [seen("a"), seen("b"), seen("c")], 1, 2) == [3, 0]


def test_after_a_restart_a_file_that_stays_gets_its_event_when_it_was_due() -> None:
    before = LandingPoller(settle_seconds=0)
    counts(before, [seen("a")], 0)
    after = LandingPoller(settle_seconds=0, memory=dict(before.memory))
    assert counts(after, [seen("a")], FIRST_WAIT - 1, FIRST_WAIT) == [0, 1]


def test_a_restart_before_any_event_gives_one() -> None:
    assert counts(LandingPoller(settle_seconds=0, memory={}), [seen("a")], 0) == [1]
    assert counts(LandingPoller(settle_seconds=0, memory={}), [], 0, 1) == [0, 0]


class Store:
    """An asset state store in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.writes = 0

    async def aget(self, key: str) -> Any:
        return self.kept.get(key)

    async def aset(self, key: str, value: Any) -> None:
        assert value is not None  # Airflow refuses it
        self.kept[key] = value
        self.writes += 1


class Watched:
    """A trigger that runs, and the payloads of its events as they come."""

    def __init__(self, trigger: LandingTrigger) -> None:
        self._trigger = trigger
        self.polls = 0
        self.events: list[Any] = []

    async def run(self) -> None:
        async for event in self._trigger.run():
            self.events.append(event.payload)

    async def until(self, done: Callable[[], bool]) -> None:
        """Give the trigger its turns until something holds; a hang is the test runner's to end."""
        async with asyncio.timeout(300):
            while not done():
                await asyncio.sleep(0.002)

    async def a_few_polls(self) -> None:
        at = self.polls
        await self.until(lambda: self.polls > at + 3)


@asynccontextmanager
async def watching(
    landing: Path, monkeypatch: pytest.MonkeyPatch, store: Store | None = None
) -> AsyncIterator[Watched]:
    """The trigger over the folder as the triggerer runs it, until the block ends."""
    import amkpi.interfaces.airflow.landing_trigger as module

    trigger = trigger_on(str(landing), poll_seconds=0.005)
    trigger.asset_state_store = store
    watched = Watched(trigger)
    look = module._list_files

    def counted(folder: Path) -> Any:
        watched.polls += 1
        return look(folder)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_list_files", counted)
        task = asyncio.create_task(watched.run())
        try:
            yield watched
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def landing(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Before a test forbids to open files: Airflow opens some when it is imported.
    trigger_on("/nowhere")
    monkeypatch.setenv("AMKPI_SETTLE_SECONDS", "0")
    folder = home / "landing"
    folder.mkdir()
    return folder


def drop(landing: Path, name: str, content: str = "client_id\n") -> Path:
    path = landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(content)
    partial.replace(path)
    return path


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that the trigger logs as errors; Airflow's logging would take them elsewhere."""
    lines: list[str] = []
    log = SimpleNamespace(info=lambda *said: None, error=lambda text, *values: lines.append(text % values))
    monkeypatch.setattr("amkpi.interfaces.airflow.landing_trigger.LandingTrigger.log", log)
    return lines


@pytest.mark.slow
def test_the_trigger_emits_events_for_new_files_and_reads_no_data(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> list[Any]:
        async with watching(landing, monkeypatch) as watched:
            await watched.a_few_polls()
            assert watched.events == []
            for number in range(2000):
                (landing / f".{number}.csv").write_text("x\n")
            await watched.a_few_polls()
            assert watched.events == []  # being written, by their names
            (landing / "clients").mkdir()
            for number in range(2000):
                (landing / f".{number}.csv").rename(landing / "clients" / f"{number}.csv")
            drop(landing, "clients/last.csv").chmod(0)
            await watched.until(lambda: {"files_ready": 2001} in watched.events)
            return watched.events

    monkeypatch.setattr("builtins.open", _refuse)
    monkeypatch.setattr(Path, "read_bytes", _refuse)
    events = asyncio.run(scene())
    assert len(events) < 200  # a few events for the burst, not one for each file


def _refuse(*arguments: Any, **options: Any) -> Any:
    raise AssertionError("the trigger reads no data")


def test_a_restarted_trigger_emits_no_event_for_old_files_and_one_for_files_that_came_while_it_was_dead(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    drop(landing, "clients/a.csv")

    async def first() -> None:
        async with watching(landing, monkeypatch, store) as watched:
            await watched.until(lambda: watched.events == [{"files_ready": 1}] and store.writes == 1)
            await watched.a_few_polls()
            assert len(watched.events) == 1

    async def again(expected: list[Any]) -> None:
        async with watching(landing, monkeypatch, store) as watched:
            await watched.until(lambda: len(watched.events) >= len(expected))
            await watched.a_few_polls()
            assert watched.events == expected

    asyncio.run(first())
    asyncio.run(again([]))
    drop(landing, "clients/b.csv")
    asyncio.run(again([{"files_ready": 2}]))
    assert len(str(store.kept)) < 500  # however many files there are


def test_a_trigger_that_is_killed_between_event_and_memory_emits_the_event_again(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(landing, "clients/a.csv")
    store = Store()

    async def first_event() -> Any:
        trigger = trigger_on(str(landing), poll_seconds=0.005)
        trigger.asset_state_store = store
        run = trigger.run()
        event = await anext(run)
        await run.aclose()
        return event.payload

    assert asyncio.run(first_event()) == {"files_ready": 1}
    assert store.kept == {}
    assert asyncio.run(first_event()) == {"files_ready": 1}


def test_the_trigger_survives_a_folder_that_disappears_and_one_that_cannot_be_read(
    landing: Path, monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    drop(landing, "clients/a.csv")
    store = Store()

    async def scene() -> None:
        async with watching(landing, monkeypatch, store) as watched:
            await watched.until(lambda: len(watched.events) == 1)
            landing.rename(landing.with_name("gone"))
            await watched.a_few_polls()
            landing.with_name("gone").rename(landing)
            await watched.a_few_polls()
            assert len(watched.events) == 1  # the file is still known

            def denied(path: Any, *arguments: Any, **options: Any) -> Any:
                options["onerror"](PermissionError(13, "Permission denied", str(path)))
                return iter(())

            with monkeypatch.context() as patch:
                patch.setattr("amkpi.ingestion.landing.os.walk", denied)
                await watched.a_few_polls()

            def stale(path: Path) -> bool:
                raise OSError(errno.ESTALE, "Stale file handle", str(path))

            with monkeypatch.context() as patch:
                patch.setattr("amkpi.interfaces.airflow.landing_trigger.Path.is_dir", stale)
                await watched.a_few_polls()
            drop(landing, "clients/b.csv")
            await watched.until(lambda: len(watched.events) == 2)

    asyncio.run(scene())
    # Each problem once, not at every poll.
    assert len(errors) == 3
    assert "no landing folder" in errors[0]
    assert "cannot list" in errors[1]
    assert "give amkpi read access" in errors[1]
    assert errors[2] == f"cannot read {landing}: Stale file handle; until then no run is started for new files"


def test_a_wrong_setting_does_not_stop_the_trigger(
    landing: Path, home: Path, monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    (home / "amkpi.toml").write_text("settle_secnds = 1\n")
    os.utime(drop(landing, "clients/a.csv"), (1, 1))

    async def scene() -> None:
        async with watching(landing, monkeypatch) as watched:
            await watched.until(lambda: len(watched.events) == 1)

    asyncio.run(scene())
    assert len(errors) == 1
    assert "did you mean settle_seconds?" in errors[0]


def test_the_trigger_finds_landing_by_the_environment_of_the_triggerer(
    landing: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = trigger_on()
    watched = trigger._watched({"AMKPI_HOME": str(home)})
    assert (watched.landing, watched.settle_seconds) == (landing, 2.0)
    assert trigger._watched({"AMKPI_HOME": str(home), "AMKPI_LANDING": "/share"}).landing == Path("/share")
    with pytest.raises(Exception, match="set AMKPI_HOME or AMKPI_LANDING"):
        trigger._watched({})


def test_airflow_can_make_the_trigger_again_from_its_serialized_form() -> None:
    from airflow.sdk.module_loading import import_string

    trigger = trigger_on("/share", poll_seconds=3)
    path, kwargs = trigger.serialize()
    again = import_string(path)(**kwargs)
    assert (type(again), again.landing, again.poll_seconds) == (type(trigger), "/share", 3)


@pytest.mark.parametrize(
    ("given", "cron", "watched"),
    [
        ({}, "*/10 * * * *", True),
        ({"AMKPI_SWEEP_MINUTES": "0"}, None, True),
        ({"AMKPI_WATCH_LANDING": "false"}, "*/10 * * * *", False),
        ({"AMKPI_WATCH_LANDING": "0", "AMKPI_SWEEP_MINUTES": "60"}, "0 * * * *", False),
        ({"AMKPI_WATCH_LANDING": "no", "AMKPI_SWEEP_MINUTES": "0"}, None, False),
        ({"AMKPI_LANDING__WATCH": "no", "AMKPI_LANDING__SWEEP_MINUTES": "5"}, "*/5 * * * *", False),
    ],
)
def test_trigger_and_sweep_each_work_without_the_other(given: dict[str, str], cron: str | None, watched: bool) -> None:
    from airflow.sdk import DAG

    from amkpi.interfaces.airflow.schedules import load_schedule, schedule_settings

    timetable = DAG("any", schedule=load_schedule(None, schedule_settings(given))).timetable
    assets = getattr(timetable, "asset_condition", None)
    names = [asset.name for asset in getattr(assets, "objects", [assets])] if assets is not None else []
    assert names == (["amkpi_landing"] if watched else [])
    clock = getattr(timetable, "timetable", timetable)
    assert getattr(clock, "expression", None) == cron
    if cron:
        assert str(clock.timezone) == "Asia/Ho_Chi_Minh"
