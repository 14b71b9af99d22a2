"""The watch over LANDING: when it rings, what it remembers, and what it survives. Here because it imports Airflow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amkpi.ingestion.landing import LandingFile
from amkpi.interfaces.airflow.landing_trigger import FIRST_AGAIN, SELDOM_AGAIN, Doorbell, LandingTrigger

NOON = 1_790_000_000.0


def seen(name: str, changed: float = NOON - 60, size: int = 1) -> LandingFile:
    return LandingFile(name, Path("/landing") / name, 0o100644, 1, size, int(changed * 1e9))


def rings(bell: Doorbell, files: Iterable[LandingFile], *moments: float) -> list[int]:
    """What the doorbell does at moments after noon, while the same files lie there."""
    return [bell.hears(list(files), NOON + moment) for moment in moments]


def test_a_file_is_rung_for_once_it_has_settled() -> None:
    growing = Doorbell(settle_seconds=2)
    assert growing.hears([seen("a", NOON, size=1)], NOON) == 0
    assert growing.hears([seen("a", NOON + 1.5, size=2)], NOON + 2) == 0
    assert growing.hears([seen("a", NOON + 1.5, size=2)], NOON + 3.5) == 1


def test_a_file_from_a_clock_that_is_ahead_is_ready_when_it_stayed_the_same() -> None:
    assert rings(Doorbell(settle_seconds=2), [seen("a", NOON + 9999)], 0, 1, 2.1, 3) == [0, 0, 1, 0]


def test_a_burst_is_one_ring_and_each_later_file_is_one_more() -> None:
    bell = Doorbell(settle_seconds=0)
    burst = [seen(f"{number}") for number in range(3000)]
    assert rings(bell, burst, 0, 1, 2) == [3000, 0, 0]
    assert rings(bell, [*burst, seen("late")], 3, 4) == [3001, 0]


def test_what_goes_away_rings_for_nothing_and_is_news_when_it_comes_back() -> None:
    bell = Doorbell(settle_seconds=0)
    assert rings(bell, [seen("a"), seen("b")], 0) == [2]
    assert rings(bell, [seen("b")], 1) == [0]
    assert rings(bell, [seen("a"), seen("b")], 2) == [2]
    assert rings(bell, [], 3) == [0]
    assert rings(bell, [seen("a")], 4) == [1]


def test_a_file_of_the_same_name_with_other_bytes_is_news() -> None:
    bell = Doorbell(settle_seconds=0)
    assert rings(bell, [seen("a", size=1)], 0) == [1]
    assert rings(bell, [seen("a", size=2)], 1) == [1]


def test_what_stays_is_rung_for_again_ever_more_seldom() -> None:
    bell = Doorbell(settle_seconds=0)
    rung = [moment for moment in range(4000) if bell.hears([seen("stuck")], NOON + moment)]
    assert rung[:3] == [0, FIRST_AGAIN, FIRST_AGAIN + 2 * FIRST_AGAIN]
    assert {later - sooner for sooner, later in pairwise(rung[5:])} == {SELDOM_AGAIN}


def test_what_is_new_sets_the_waits_back() -> None:
    bell = Doorbell(settle_seconds=0)
    rings(bell, [seen("stuck")], *range(0, 1000, 10))
    both = [seen("stuck"), seen("new")]
    assert rings(bell, both, 1001, 1001 + FIRST_AGAIN - 1, 1001 + FIRST_AGAIN) == [2, 0, 2]


def test_after_a_restart_nothing_is_rung_for_twice_and_what_came_meanwhile_is() -> None:
    before = Doorbell(settle_seconds=2)
    assert rings(before, [seen("a"), seen("b")], 0) == [2]
    same = Doorbell(settle_seconds=2, memory=dict(before.memory))
    assert rings(same, [seen("b"), seen("a")], 1, 2) == [0, 0]
    more = Doorbell(settle_seconds=2, memory=dict(before.memory))
    assert rings(more, [seen("a"), seen("b"), seen("c")], 1, 2) == [3, 0]


def test_after_a_restart_what_stays_is_rung_for_when_it_was_due() -> None:
    before = Doorbell(settle_seconds=0)
    rings(before, [seen("a")], 0)
    after = Doorbell(settle_seconds=0, memory=dict(before.memory))
    assert rings(after, [seen("a")], FIRST_AGAIN - 1, FIRST_AGAIN) == [0, 1]


def test_a_restart_before_anything_was_rung_for_rings() -> None:
    assert rings(Doorbell(settle_seconds=0, memory={}), [seen("a")], 0) == [1]
    assert rings(Doorbell(settle_seconds=0, memory={}), [], 0, 1) == [0, 0]


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
        self.looks = 0
        self.events: list[Any] = []

    async def run(self) -> None:
        async for event in self._trigger.run():
            self.events.append(event.payload)

    async def until(self, done: Callable[[], bool]) -> None:
        """Give the trigger its turns until something holds; a hang is the test runner's to end."""
        async with asyncio.timeout(60):
            while not done():
                await asyncio.sleep(0.002)

    async def a_few_looks(self) -> None:
        at = self.looks
        await self.until(lambda: self.looks > at + 3)


@asynccontextmanager
async def watching(
    landing: Path, monkeypatch: pytest.MonkeyPatch, store: Store | None = None
) -> AsyncIterator[Watched]:
    """The trigger over the folder as the triggerer runs it, until the block ends."""
    import amkpi.interfaces.airflow.landing_trigger as module

    trigger = LandingTrigger(str(landing), poll_seconds=0.005)
    trigger.asset_state_store = store
    watched = Watched(trigger)
    look = module._look

    def counted(folder: Path) -> Any:
        watched.looks += 1
        return look(folder)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_look", counted)
        task = asyncio.create_task(watched.run())
        try:
            yield watched
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def landing(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
    monkeypatch.setattr(LandingTrigger, "log", log)
    return lines


def test_the_trigger_rings_as_files_land_and_reads_no_data(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> list[Any]:
        async with watching(landing, monkeypatch) as watched:
            await watched.a_few_looks()
            assert watched.events == []
            for number in range(2000):
                (landing / f".{number}.csv").write_text("x\n")
            await watched.a_few_looks()
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
    assert len(events) < 200  # a few rings for the burst, and not one a file


def _refuse(*arguments: Any, **options: Any) -> Any:
    raise AssertionError("the watch reads no data")


def test_the_trigger_started_again_is_silent_about_the_old_and_rings_for_what_came_while_it_was_dead(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    drop(landing, "clients/a.csv")

    async def first() -> None:
        async with watching(landing, monkeypatch, store) as watched:
            await watched.until(lambda: watched.events == [{"files_ready": 1}] and store.writes == 1)
            await watched.a_few_looks()
            assert len(watched.events) == 1

    async def again(expected: list[Any]) -> None:
        async with watching(landing, monkeypatch, store) as watched:
            await watched.until(lambda: len(watched.events) >= len(expected))
            await watched.a_few_looks()
            assert watched.events == expected

    asyncio.run(first())
    asyncio.run(again([]))
    drop(landing, "clients/b.csv")
    asyncio.run(again([{"files_ready": 2}]))
    assert len(str(store.kept)) < 500  # whatever lies there


def test_the_trigger_that_is_killed_between_the_ring_and_its_memory_rings_again(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(landing, "clients/a.csv")
    store = Store()

    async def first_event() -> Any:
        trigger = LandingTrigger(str(landing), poll_seconds=0.005)
        trigger.asset_state_store = store
        run = trigger.run()
        event = await anext(run)
        await run.aclose()
        return event.payload

    assert asyncio.run(first_event()) == {"files_ready": 1}
    assert store.kept == {}
    assert asyncio.run(first_event()) == {"files_ready": 1}


def test_the_trigger_outlives_a_folder_that_vanishes_and_one_that_cannot_be_read(
    landing: Path, monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    drop(landing, "clients/a.csv")
    store = Store()

    async def scene() -> None:
        async with watching(landing, monkeypatch, store) as watched:
            await watched.until(lambda: len(watched.events) == 1)
            landing.rename(landing.with_name("gone"))
            await watched.a_few_looks()
            landing.with_name("gone").rename(landing)
            await watched.a_few_looks()
            assert len(watched.events) == 1  # it knows them still

            def denied(path: Any, *arguments: Any, **options: Any) -> Any:
                options["onerror"](PermissionError(13, "Permission denied", str(path)))
                return iter(())

            with monkeypatch.context() as patch:
                patch.setattr("amkpi.ingestion.landing.os.walk", denied)
                await watched.a_few_looks()
            drop(landing, "clients/b.csv")
            await watched.until(lambda: len(watched.events) == 2)

    asyncio.run(scene())
    # Each trouble once, not once a look.
    assert len(errors) == 2
    assert "no landing folder" in errors[0]
    assert "cannot list" in errors[1]
    assert "give amkpi read access" in errors[1]


def test_a_wrong_setting_does_not_stop_the_watch(
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


def test_the_trigger_finds_landing_by_the_triggerers_environment(
    landing: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = LandingTrigger()
    assert trigger._where({"AMKPI_HOME": str(home)}) == (landing, 2.0)
    assert trigger._where({"AMKPI_HOME": str(home), "AMKPI_LANDING": "/share"})[0] == Path("/share")
    with pytest.raises(Exception, match="set AMKPI_HOME or AMKPI_LANDING"):
        trigger._where({})


def test_the_trigger_is_made_anew_from_what_airflow_keeps_of_it() -> None:
    from airflow.sdk.module_loading import import_string

    path, kwargs = LandingTrigger("/share", poll_seconds=3).serialize()
    again = import_string(path)(**kwargs)
    assert (type(again), again.landing, again.poll_seconds) == (LandingTrigger, "/share", 3)


@pytest.mark.parametrize(
    ("given", "cron", "watched"),
    [
        ({}, "*/10 * * * *", True),
        ({"AMKPI_SWEEP_MINUTES": "0"}, None, True),
        ({"AMKPI_WATCH_LANDING": "false"}, "*/10 * * * *", False),
        ({"AMKPI_WATCH_LANDING": "0", "AMKPI_SWEEP_MINUTES": "60"}, "0 * * * *", False),
        ({"AMKPI_WATCH_LANDING": "no", "AMKPI_SWEEP_MINUTES": "0"}, None, False),
    ],
)
def test_the_watch_and_the_sweep_each_go_without_the_other(
    given: dict[str, str], cron: str | None, watched: bool
) -> None:
    from airflow.sdk import DAG

    from amkpi.interfaces.airflow.assets import load_schedule, schedule_settings

    timetable = DAG("any", schedule=load_schedule(schedule_settings(given))).timetable
    assets = getattr(timetable, "asset_condition", None)
    names = [asset.name for asset in getattr(assets, "objects", [assets])] if assets is not None else []
    assert names == (["landing"] if watched else [])
    clock = getattr(timetable, "timetable", timetable)
    assert getattr(clock, "expression", None) == cron
    if cron:
        assert str(clock.timezone) == "Asia/Ho_Chi_Minh"
