"""A published file that somebody has written into is found, and one that was only touched is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amkpi.core.home import Home
from amkpi.core.storage import published_hashes


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.at(tmp_path)
    made.make()
    return made


@pytest.fixture
def file(home: Home) -> Path:
    file = home.published / "kpi_a.duckdb"
    file.write_bytes(b"as published")
    published_hashes.record(home, file)
    return file


def test_a_changed_byte_is_found_also_where_size_and_time_are_the_same(home: Home, file: Path) -> None:
    assert not published_hashes.is_damaged(home, file)
    before = file.stat()
    file.write_bytes(b"As published")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert published_hashes.is_damaged(home, file)
    file.unlink()
    assert published_hashes.is_damaged(home, file)


def test_a_file_that_was_copied_or_touched_is_the_same(home: Home, file: Path) -> None:
    os.utime(file, (1, 1))
    assert not published_hashes.is_damaged(home, file)


def test_a_file_is_hashed_again_only_where_it_looks_different(
    home: Home, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_hashes, "_hash", lambda file: pytest.fail("a large file takes seconds"))
    assert not published_hashes.is_damaged(home, file)


def test_of_a_file_without_a_record_nothing_is_said_and_files_that_are_gone_are_forgotten(
    home: Home, file: Path
) -> None:
    older, newer = home.published / "kpi_b.duckdb", home.published / "kpi_c.duckdb"
    older.write_bytes(b"of a version without hashes")
    newer.write_bytes(b"new")
    assert not published_hashes.is_damaged(home, older)
    file.unlink()
    published_hashes.record(home, newer)
    assert list(published_hashes._read(home)) == ["kpi_c.duckdb"]
    (home.published / "hashes.json").write_text("{")
    assert not published_hashes.is_damaged(home, newer), "without the records, as for a version without them"
