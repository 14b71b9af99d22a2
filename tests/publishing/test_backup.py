"""Backup and restore: the same marts from an empty home, and no backup that only looks like one."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.ingestion import delivery_log
from amkpi.pipeline import steps
from amkpi.publishing import backup
from tests.conftest import Agency

CLIENTS = "client_id,client_name\nC,Trà Xanh\n"
STAFF = "staff_id,valid_from,full_name,role,is_active\nA,2026-01-01,Lê An,account_manager,true\n"
CONTRACTS = (
    "contract_id,client_id,owner_id,kind,signed_date,start_date,end_date,amount,currency\n"
    "K,C,A,new_business,2026-10-01,2026-10-01,2027-09-30,100,VND\n"
)
NOON = datetime(2026, 10, 18, 5, tzinfo=UTC)


def rows(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table of a publication that is reproducible."""
    tables = (
        "kpi_values", "kpi_evidence", "scorecards", "scorecard_lines", "supporting_measures", "dim_staff", "dim_client",
    )  # fmt: skip
    with duckdb.connect(str(file), read_only=True) as connection:
        found = {table: connection.execute(f"select * from marts.{table} order by all").fetchall() for table in tables}
    assert found["kpi_values"]
    return found


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def empty(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "empty")


@pytest.fixture
def loaded(agency: Agency) -> Agency:
    """An agency with three files loaded, one rejected, a mapping and a settings file of its own."""
    agency.home.sources.mkdir()
    agency.home.settings_file.write_text("min_raters = 2\n")
    (agency.home.sources / "README").write_text("the agency's own mappings\n")
    agency.load({"clients/c.csv": CLIENTS, "staff/s.csv": STAFF, "contracts/k.csv": CONTRACTS, "clients/x.csv": "?"})
    return agency


@pytest.mark.slow
def test_a_restore_into_an_empty_home_gives_the_same_marts(loaded: Agency, target: Path, empty: Home) -> None:
    loaded.set(min_raters=2)
    loaded.build()
    before = loaded.publish_unaudited()
    report = backup.backup(loaded.home, target, NOON)
    shutil.move(loaded.home.root, loaded.home.root.with_name("lost"))
    before = Path(str(before).replace("/home/", "/lost/"))

    (empty.landing / "clients").mkdir(parents=True)
    (empty.landing / "clients" / "new.csv").write_text(CLIENTS + "D,Khác\n")  # senders do not wait
    shutil.copytree(before.parent, empty.published, symlinks=True)  # a volume of its own: readers read on
    again = Agency.at(empty.root)
    assert steps.restore(again.run, report.folder) == 4
    again.set(min_raters=2)
    assert not steps.build(again.run).is_new, "it is known that readers have this very publication"
    shutil.rmtree(empty.published)
    empty.published.mkdir()
    again.build()
    after = again.publish_unaudited()
    assert after.name == before.name
    assert rows(after) == rows(before)
    assert (empty.landing / "clients" / "new.csv").is_file()
    assert files(empty.archive) == files(target / report.folder.name / "archive")
    assert empty.settings_file.read_text() == "min_raters = 2\n"
    assert steps.load(again.run).unprocessed.keys() == {"contract"}


def test_a_backup_holds_archive_state_sources_and_settings_with_their_hashes(loaded: Agency, target: Path) -> None:
    report = backup.backup(loaded.home, target, NOON)
    kept = files(report.folder)
    manifest = json.loads((report.folder / "manifest.json").read_text())
    assert manifest["made_at"] == "2026-10-18T05:00:00+00:00"
    assert {name: each["sha256"] for name, each in manifest["files"].items()} == {
        name: digest for name, digest in kept.items() if name != "manifest.json"
    }
    assert {"amkpi.toml", "sources/README", "state/delivery_log.sqlite"} <= kept.keys()
    assert sum(name.startswith("archive/") for name in kept) == 3
    assert not [name for name in kept if "lock" in name]
    assert report.files == len(kept) - 1


def test_the_next_backup_links_what_the_last_one_has_and_is_whole_without_it(loaded: Agency, target: Path) -> None:
    first = backup.backup(loaded.home, target, NOON)
    loaded.load({"clients/d.csv": CLIENTS + "D,Khác\n"})
    second = backup.backup(loaded.home, target, NOON + timedelta(days=1))
    assert (first.linked, second.linked) == (0, 3)
    assert second.files == first.files + 1
    shutil.rmtree(first.folder)
    backup._read(second.folder)


def test_a_damaged_last_backup_is_no_help_and_no_harm(loaded: Agency, target: Path, empty: Home) -> None:
    first = backup.backup(loaded.home, target, NOON)
    (first.folder / "manifest.json").write_text("{")
    second = backup.backup(loaded.home, target, NOON + timedelta(days=1))
    assert second.linked == 0
    assert backup.restore(second.folder, empty) == second.files


def test_old_backups_go_but_never_the_newest(loaded: Agency, target: Path) -> None:
    made = [backup.backup(loaded.home, target, NOON + timedelta(days=day)).folder for day in (0, 1, 20)]
    assert backup.prune(target, 19, NOON + timedelta(days=20)) == 1
    assert backup.backups(target) == [made[2], made[1]]
    assert backup.prune(target, 1, NOON + timedelta(days=400)) == 1
    assert backup.backups(target) == [made[2]]


def damage_content(folder: Path) -> Path:
    path = next(path for path in (folder / "archive").rglob("*.csv"))
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    return path


def damage_by_loss(folder: Path) -> Path:
    path = folder / "state" / "delivery_log.sqlite"
    path.unlink()
    return path


def damage_manifest(folder: Path) -> Path:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:-20])
    return path


def damage_by_escape(folder: Path) -> Path:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("amkpi.toml", "../amkpi.toml"))
    return path


@pytest.mark.parametrize("damage", [damage_content, damage_by_loss, damage_manifest, damage_by_escape])
def test_a_damaged_backup_is_refused_with_the_files_name_and_nothing_is_written(
    loaded: Agency, target: Path, empty: Home, damage: Callable[[Path], Path]
) -> None:
    report = backup.backup(loaded.home, target, NOON)
    path = damage(report.folder)
    with pytest.raises(AmkpiError, match=str(path)):
        backup.restore(report.folder, empty)
    assert files(empty.root) == {}


def test_what_is_no_backup_and_a_home_that_is_not_empty_are_refused(
    loaded: Agency, target: Path, empty: Home, tmp_path: Path
) -> None:
    with pytest.raises(AmkpiError, match="is not a backup"):
        backup.restore(tmp_path, empty)
    report = backup.backup(loaded.home, target, NOON)
    before = files(loaded.home.root)
    with pytest.raises(AmkpiError, match=r"is not empty \(it has .*\)"):
        backup.restore(report.folder, loaded.home)
    assert files(loaded.home.root) == before


def test_a_restore_that_was_cut_off_is_begun_anew(
    loaded: Agency, target: Path, empty: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = backup.backup(loaded.home, target, NOON)
    copied = backup._copied

    def cut_off(path: Path, copy: Path) -> object:
        if "state" in path.parts:
            raise KeyboardInterrupt
        return copied(path, copy)

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_copied", cut_off)
        with pytest.raises(KeyboardInterrupt):
            backup.restore(report.folder, empty)
    assert not empty.archive.exists()
    assert backup.restore(report.folder, empty) == report.files
    assert not list(empty.root.glob(".part*"))


def test_a_backup_while_others_write_is_of_one_moment(loaded: Agency, target: Path) -> None:
    store = loaded.home.state / "busy.sqlite"
    stop = threading.Event()
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table pairs (a integer, b integer)")
        connection.commit()

    def write() -> None:
        with closing(sqlite3.connect(store, timeout=30)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                connection.execute("insert into pairs values (?, ?)", [number, 0])
                connection.execute("update pairs set b = a where a = ?", [number])
                connection.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        report = backup.backup(loaded.home, target, NOON)
    finally:
        stop.set()
        writer.join()
    assert {path.name for path in (report.folder / "state").iterdir()} == {
        "busy.sqlite",
        "delivery_log.sqlite",
        "layout.json",
    }
    with closing(sqlite3.connect(report.folder / "state" / "busy.sqlite")) as connection:
        assert connection.execute("select count(*) from pairs where b <> a").fetchone() == (0,)


def test_an_archive_that_is_damaged_or_lacks_a_file_makes_no_backup(loaded: Agency, target: Path) -> None:
    path = next(path for path in loaded.home.archive.rglob("*.csv"))
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    with pytest.raises(AmkpiError, match=f"{path} is damaged"):
        backup.backup(loaded.home, target, NOON)
    path.unlink()
    with pytest.raises(AmkpiError, match=f"{path} is missing"):
        backup.backup(loaded.home, target, NOON)
    assert list(target.iterdir()) == [], "neither a backup nor a part of one"


def test_a_store_that_is_damaged_makes_no_backup(loaded: Agency, target: Path) -> None:
    (loaded.home.state / "audits.sqlite").write_bytes(b"no database, but long enough to be looked into by SQLite")
    with pytest.raises(AmkpiError, match="no backup was made"):
        backup.backup(loaded.home, target, NOON)
    assert backup.backups(target) == []


def test_the_step_backs_up_where_the_setting_says_and_prunes(loaded: Agency, target: Path) -> None:
    loaded.run = replace(loaded.run, now=lambda: NOON)
    assert steps.backup_folder(loaded.run) == loaded.home.root / "backups"
    loaded.set(backup_dir=str(target), keep_backup_days=1)
    old = backup.backup(loaded.home, target, NOON - timedelta(days=2))
    report, gone = steps.back_up(loaded.run)
    assert (report.folder.parent, gone) == (target, 1)
    assert not old.folder.exists()
    assert len(delivery_log.read(report.folder / "state")) == 4
