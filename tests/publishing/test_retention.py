"""Kept publications within a number of bytes, and the room that the disk has for the next ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from amkpi.core.publication_id import published_file
from amkpi.core.settings import load_settings
from amkpi.publishing import retention
from tests.conftest import Agency

MEGABYTE = 1_000_000
NIGHTS = ["a" * 16, "b" * 16, "c" * 16, "d" * 16]


class Usage(NamedTuple):
    """What shutil says of a disk."""

    total: int
    used: int
    free: int


def published(agency: Agency, name: str, age: int, size: int = MEGABYTE) -> Path:
    """A publication of so many days ago that is so large; holes take no room on the disk of the test."""
    path = published_file(agency.home, name)
    path.touch()
    os.truncate(path, size)
    then = agency.moment.timestamp() - 86400 * age
    os.utime(path, (then, then))
    return path


@pytest.fixture
def nights(agency: Agency) -> Agency:
    """An agency with a publication of each of four nights; the newest is current."""
    for age, name in enumerate(NIGHTS):
        published(agency, name, age)
    agency.home.current.symlink_to(published_file(agency.home, NIGHTS[0]).name)
    return agency


def stay(agency: Agency) -> list[str]:
    retention.prune(agency.home, agency.run.settings, agency.moment)
    return sorted(path.stem[4:] for path in agency.home.published.glob("kpi_*.duckdb"))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, NIGHTS),
        (4 * MEGABYTE, NIGHTS),
        (4 * MEGABYTE - 1, NIGHTS[:3]),
        (2 * MEGABYTE, NIGHTS[:2]),
        (1, NIGHTS[:1]),
    ],
)
def test_the_oldest_go_until_the_others_fit_and_the_current_one_stays(
    nights: Agency, limit: int | None, expected: list[str]
) -> None:
    nights.set(keep_publications_bytes=limit)
    assert stay(nights) == expected


def test_the_current_one_stays_although_it_is_the_oldest_and_too_large(nights: Agency) -> None:
    nights.home.current.unlink()
    nights.home.current.symlink_to(published_file(nights.home, NIGHTS[3]).name)
    nights.set(keep_publications_bytes=2 * MEGABYTE)
    assert stay(nights) == [NIGHTS[0], NIGHTS[3]]


def test_parquet_files_count_and_an_old_small_one_does_not_outlive_a_large_newer_one(nights: Agency) -> None:
    folder = nights.home.parquet / NIGHTS[1] / "kpi_values"
    folder.mkdir(parents=True)
    (folder / "month.parquet").write_bytes(b"0" * MEGABYTE)
    nights.set(keep_publications_bytes=3 * MEGABYTE)
    assert stay(nights) == NIGHTS[:2]
    nights.set(keep_publications_bytes=3 * MEGABYTE - 1)
    assert stay(nights) == NIGHTS[:1]


def test_a_historical_one_counts_too(nights: Agency) -> None:
    retention.historical_mark(nights.home, NIGHTS[2]).touch()
    nights.set(keep_publications_bytes=2 * MEGABYTE)
    assert stay(nights) == NIGHTS[:2]
    assert not retention.historical_mark(nights.home, NIGHTS[2]).exists()


def test_the_setting_is_a_size_as_people_write_it(agency: Agency) -> None:
    def of(text: str) -> int | None:
        return load_settings(agency.home, {"AMKPI_KEEP_PUBLICATIONS_BYTES": text}).retention.publications_bytes

    assert [of(text) for text in ("20GB", "1.5 GiB", "1000", "none")] == [20 * 10**9, 1_610_612_736, 1000, None]


@pytest.mark.parametrize(("spare", "is_low"), [(-1, True), (0, False)])
def test_the_disk_is_low_when_two_publications_and_a_full_build_may_not_fit(
    nights: Agency, monkeypatch: pytest.MonkeyPatch, spare: int, is_low: bool
) -> None:
    nights.home.warehouse.touch()
    os.truncate(nights.home.warehouse, 5 * MEGABYTE)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, 7 * MEGABYTE + spare))
    space = retention.disk_space(nights.home)
    assert (space.folder, space.needed, space.is_low) == (nights.home.published, 7 * MEGABYTE, is_low)


def test_before_the_first_publication_nothing_is_needed(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, 0))
    assert not retention.disk_space(agency.home).is_low
