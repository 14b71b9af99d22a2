"""Whatever cuts a load off, the next one ends as if nothing had happened: no row lost, none twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.ingestion import archive, delivery_log, landing, loader
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.pipeline import steps
from tests.conftest import Agency
from tests.ingestion.test_loader import files_below
from tests.paths import ROOT

PROJECT_MAPPING = """
file: "*export*.csv"
extract: clients
snapshot: true
columns:
  client_id: Client
  client_name: Client Name
"""
STAFF_MAPPING = """
file: "*export*.csv"
extract: staff
columns:
  staff_id: Owner
  valid_from: { constant: "2026-01-01" }
  full_name: Owner
  role: { constant: account_manager }
  is_active: { constant: "true" }
"""
SNAPSHOT_MAPPING = """
file: part_*.csv
extract: clients
snapshot: true
columns: { client_id: Client, client_name: Client Name }
"""
FILES = {
    "clients/a.csv": "client_id,client_name\nC1,One\nC2,\nC3\n",
    "clients/again.csv": "client_id,client_name\nC1,One\nC2,\nC3\n",
    "clients/broken.csv": 'client_id,client_name\nC1,"One\n',
    "export.csv": "Client,Client Name,Owner\nX1,Ex,S1\nX2,Why,S2\n",
    # One snapshot: a part that is taken alone would delete the other's client.
    "part_1.csv": "Client,Client Name\nY1,One\n",
    "part_2.csv": "Client,Client Name\nY2,Two\n",
    "projects/p.csv": "project_id,client_id,project_name,start_date,committed_due_date,currency\n"
    "P1,C1,x,2026-01-01,2026-02-01,VND\nP2,C9,x,2026-01-01,2026-02-01,VND\n",
}
TABLES = ("clients", "staff", "projects")


def everything(agency: Agency) -> dict[str, Any]:
    """What loads leave behind, whatever happened on the way: all but in which run a file was taken."""
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
    with agency.warehouse() as connection:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql).fetchall()

        found: dict[str, Any] = {
            "ledger": rows(
                "select delivery, file_name, extract, source, sha256, status, reason, rows_read, settled"
                " from raw.ledger order by delivery"
            ),
            "quarantine": rows("select * exclude (raw_row) from validation.quarantine order by all"),
        }
        for name in TABLES:
            found[f"raw {name}"] = rows(f"select * from raw.{name} order by all")
            found[f"parsed {name}"] = rows(f"select * from parsed.{name} order by all")
            found[f"valid {name}"] = rows(f"select * from valid.{name} order by all")
        for delivery, extract, read, held in rows(
            "select delivery, extract, rows_read,"
            " (select count(*) from validation.quarantine where _delivery = delivery) from raw.ledger"
        ):
            if extract:
                assert rows(f"select count(*) from raw.{extract} where _delivery = {delivery}") == [(read,)]
                assert held <= read
    assert [status for *_, status in found["ledger"]] == [True] * len(found["ledger"])
    found["delivery log"] = [
        (each.delivery, each.file_name, each.extract, each.status) for each in delivery_log.read(agency.home.state)
    ]
    for folder in ("landing", "archive", "rejected"):
        found[folder] = files_below(getattr(agency.home, folder))
    return found


def an_agency(make_agency: Callable[..., Agency], name: str) -> Agency:
    """An agency with the files delivered, and three mappings of its own."""
    agency = make_agency(name=name)
    agency.home.sources.mkdir()
    (agency.home.sources / "own_clients.yml").write_text(PROJECT_MAPPING)
    (agency.home.sources / "own_staff.yml").write_text(STAFF_MAPPING)
    (agency.home.sources / "own_snapshot.yml").write_text(SNAPSHOT_MAPPING)
    agency.deliver(FILES)
    return agency


def expected(make_agency: Callable[..., Agency]) -> dict[str, Any]:
    agency = an_agency(make_agency, "undisturbed")
    steps.load(agency.run)
    found = everything(agency)
    assert [row[5] for row in found["ledger"]] == ["loaded", "duplicate", "rejected", *["loaded"] * 5]
    assert {"Y1", "Y2"} <= {row[0] for row in found["valid clients"]}
    return found


def kill(cases: Sequence[tuple[Agency, int | str]]) -> list[dict[str, Any]]:
    """Run a load in each agency's home that dies at its point."""
    lines = "".join(json.dumps([str(agency.home.root), when]) + "\n" for agency, when in cases)
    done = subprocess.run(
        [sys.executable, "-m", "tests.ingestion.crash_injection", cases[0][0].moment.isoformat()],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def points(make_agency: Callable[..., Agency]) -> int:
    agency = an_agency(make_agency, "counting")
    assert kill([(agency, 0)]) == [{"killed": False, "code": 0}]
    return int((agency.home.root / "points").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    "every", [pytest.param(5, id="every fifth point"), pytest.param(1, id="every point", marks=pytest.mark.long)]
)
def test_a_load_killed_at_any_point_is_finished_by_the_next(make_agency: Callable[..., Agency], every: int) -> None:
    wanted = expected(make_agency)
    total = points(make_agency)
    assert total > 40
    killed = [(an_agency(make_agency, f"killed at {n}"), n) for n in range(1, total + 1, every)]
    assert all(each["killed"] for each in kill(killed))
    for agency, point in killed:
        steps.load(agency.run)
        assert everything(agency) == wanted, f"killed at point {point}"


@pytest.mark.slow
def test_a_load_killed_again_and_again_ends_all_the_same(make_agency: Callable[..., Agency]) -> None:
    wanted = expected(make_agency)
    agency = an_agency(make_agency, "unlucky")
    chance = random.Random(5)
    # Twelve kills: at points that each run reaches, since each run has less left to do.
    results = kill([(agency, chance.choice([1, 2, 4, 6, 7])) for _ in range(12)])
    assert sum(each["killed"] for each in results) >= 8
    steps.load(agency.run)
    assert everything(agency) == wanted


@pytest.mark.slow
def test_twelve_kills_at_random_moments_lose_nothing(make_agency: Callable[..., Agency]) -> None:
    many = {f"clients/{n:02}.csv": "client_id,client_name\n" + f"C{n},x\n" * 20_000 for n in range(30)}
    undisturbed = an_agency(make_agency, "undisturbed")
    undisturbed.deliver(many)
    steps.load(undisturbed.run)
    agency = an_agency(make_agency, "unlucky")
    agency.deliver(many)
    chance = random.Random(7)
    results = kill([(agency, f"~{chance.uniform(0.05, 0.6)}") for _ in range(12)])
    assert sum(each["killed"] for each in results) == 12
    steps.load(agency.run)
    assert everything(agency) == everything(undisturbed)


def test_a_file_replaced_between_the_look_and_the_taking_is_left_for_the_next_run(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = landing.ready

    def then_replaced(*args: Any) -> list[landing.LandingFile]:
        seen = ready(*args)
        agency.deliver({"clients/a.csv": "client_id,client_name\nC1,replaced\n"})
        return seen

    with monkeypatch.context() as patch:
        patch.setattr(landing, "ready", then_replaced)
        assert agency.load({"clients/a.csv": FILES["clients/a.csv"]}).deliveries == ()
    assert list(files_below(agency.home.landing)) == ["clients/a.csv"]
    assert files_below(agency.home.archive) == {}
    assert agency.load().count("loaded") == 1
    assert agency.rows("select client_name from raw.clients") == [("replaced",)]


def test_a_file_replaced_while_it_is_read_is_two_deliveries(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file = loader.write_file

    def while_it_is_read(*args: Any) -> Delivery:
        agency.deliver({"clients/a.csv": "client_id,client_name\nC1,second\n"})
        return write_file(*args)

    with monkeypatch.context() as patch:
        patch.setattr(loader, "write_file", while_it_is_read)
        assert agency.load({"clients/a.csv": "client_id,client_name\nC1,first\n"}).count("loaded") == 1
    assert agency.load().count("loaded") == 1
    assert agency.rows("select client_name from raw.clients order by _delivery") == [("first",), ("second",)]
    assert len(files_below(agency.home.archive)) == 2


def test_a_failure_within_a_file_gives_the_file_back(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(loader, "write_file", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            agency.load({"clients/sub/a.csv": FILES["clients/a.csv"]})
    assert list(files_below(agency.home.landing)) == ["clients/sub/a.csv"]
    assert files_below(agency.home.archive) == {}
    assert agency.rows("select * from raw.ledger") == []
    assert agency.load().count("loaded") == 1


def test_a_file_that_cannot_be_given_back_is_taken_first_by_the_next_run(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced_and_broken(*args: Any) -> int:
        agency.deliver({"clients/a.csv": "client_id,client_name\nC1,second\n"})
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(loader, "write_file", replaced_and_broken)
        with pytest.raises(ZeroDivisionError):
            agency.load({"clients/a.csv": "client_id,client_name\nC1,first\n"})
    report = agency.load()
    assert [(each.file_name, each.status) for each in report.deliveries] == [("clients/a.csv", "loaded")] * 2
    assert agency.rows("select client_name from raw.clients order by _delivery") == [("first",), ("second",)]
    assert not archive.incoming(agency.home).is_dir() or files_below(archive.incoming(agency.home)) == {}


def test_a_file_that_nobody_may_read_is_rejected_and_does_not_stop_the_others(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = archive.examine

    def refused(path: Path, limit: int) -> Any:
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return examine(path, limit)

    monkeypatch.setattr(archive, "examine", refused)
    report = agency.load({"clients/a.csv": "x", "clients/b.csv": FILES["clients/a.csv"]})
    assert [each.status for each in report.deliveries] == ["rejected", "loaded"]
    assert "right to read" in (report.deliveries[0].reason or "")
    assert "clients/a.csv" in files_below(agency.home.rejected)


@pytest.mark.slow
def test_a_lost_warehouse_is_rebuilt_to_the_same(make_agency: Callable[..., Agency]) -> None:
    agency = an_agency(make_agency, "lost")
    steps.load(agency.run)
    agency.load({"export.csv": "Client,Client Name,Owner\nX2,Why,S2\nX3,Zet,S3\n"})
    agency.load({"export.csv": FILES["export.csv"], "clients/z.csv": "client_id,client_name\nC9,x\n"})
    before = everything(agency)
    assert [row[0] for row in before["valid clients"]] == ["C1", "C9", "X1", "X2", "Y1", "Y2"]
    agency.home.warehouse.unlink()
    with pytest.raises(AmkpiError, match="amkpi rebuild"):
        agency.load({"clients/later.csv": "client_id,client_name\nC10,x\n"})
    agency.home.landing.joinpath("clients/later.csv").unlink()
    assert steps.rebuild(agency.run) == len(before["ledger"])
    assert everything(agency) == before
    assert agency.load({"clients/later.csv": "client_id,client_name\nC10,x\n"}).count("loaded") == 1


@pytest.mark.parametrize("damage", ["gone", "other"])
def test_a_rebuild_from_a_damaged_archive_says_which_file(agency: Agency, damage: str) -> None:
    agency.load({"clients/a.csv": FILES["clients/a.csv"]})
    (path,) = agency.home.archive.rglob("*.csv")
    if damage == "gone":
        path.unlink()
    else:
        path.write_text("client_id,client_name\nC1,One\nC2,\nC4\n")
    agency.home.warehouse.unlink()
    with pytest.raises(AmkpiError, match=path.name):
        steps.rebuild(agency.run)


def test_a_lost_delivery_log_is_written_again(agency: Agency) -> None:
    agency.load({"clients/a.csv": FILES["clients/a.csv"]})
    before = delivery_log.read(agency.home.state)
    (agency.home.state / "delivery_log.sqlite").unlink()
    agency.load()
    assert delivery_log.read(agency.home.state) == before


def test_a_broken_delivery_log_is_reported_in_one_line(agency: Agency) -> None:
    agency.load({"clients/a.csv": FILES["clients/a.csv"]})
    (agency.home.state / "delivery_log.sqlite").write_bytes(b"rubbish" * 1000)
    with pytest.raises(AmkpiError, match=r"delivery_log\.sqlite cannot be used"):
        agency.load({"clients/b.csv": "client_id,client_name\nC5,x\n"})
    assert list(files_below(agency.home.landing)) == ["clients/b.csv"]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of this size at the folder."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system can be mounted by root only, and not in every container")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@cache
def many_rows() -> str:
    """More than fits on the disk. Made when it is needed: every test process reads this file, and it takes a second."""
    return "client_id,client_name\n" + "".join(f"C{n},{random.Random(n).random()} a name\n" for n in range(1, 100_001))


@pytest.mark.slow
@pytest.mark.parametrize("landing_elsewhere", [False, True], ids=["landing in home", "landing elsewhere"])
@pytest.mark.parametrize("size", ["1m", "5m", "9m", "12m"])
def test_a_full_disk_loses_nothing(agency: Agency, tmp_path: Path, size: str, landing_elsewhere: bool) -> None:
    elsewhere = tmp_path / "landing"
    elsewhere.mkdir()
    with small_disk(tmp_path / "small", "200m") as disk:
        home = Home.at(disk / "home", elsewhere if landing_elsewhere else None)
        home.make()
        full = Agency(replace(agency.run, home=home))
        full.run = replace(full.run, now=lambda: full.moment)
        full.load({"clients/first.csv": "client_id,client_name\nC0,x\n"})
        full.deliver({"clients/big.csv": many_rows()})
        used = subprocess.run(["du", "-sk", str(disk)], capture_output=True, text=True, check=True).stdout.split()[0]
        remount(disk, f"size={int(used) + int(size.removesuffix('m')) * 1024}k")
        if size == "1m":
            with pytest.raises(AmkpiError) as caught:
                full.load()
            assert "\n" not in str(caught.value)
        else:
            # How much DuckDB writes is its own affair: it may go well, or fail at any point.
            with suppress(AmkpiError):
                full.load()
        remount(disk, "size=400m")
        full.load()
        assert full.rows("select count(*), count(distinct client_id) from raw.clients") == [(100_001, 100_001)]
        assert full.rows("select count(*), bool_and(settled) from raw.ledger") == [(2, True)]
        assert files_below(home.landing) == {}
        assert len(files_below(home.archive)) == 2
        assert len(delivery_log.read(home.state)) == 2


def test_a_landing_that_cannot_be_written_loads_nothing_until_it_can(agency: Agency, tmp_path: Path) -> None:
    with small_disk(tmp_path / "share", "10m") as share:
        other = Agency(replace(agency.run, home=Home.at(agency.home.root, share)))
        other.run = replace(other.run, now=lambda: other.moment)
        other.deliver({"clients/a.csv": FILES["clients/a.csv"]})
        remount(share, "ro")
        with pytest.raises(AmkpiError, match="its file system is read-only"):
            other.load()
        remount(share, "rw")
        assert other.load().count("loaded") == 1
        assert files_below(share) == {}


def test_a_rejected_folder_that_cannot_be_written_is_finished_once_it_can(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*args: Any) -> Path:
        raise OSError(30, "Read-only file system", str(agency.home.rejected))

    with monkeypatch.context() as patch:
        patch.setattr(archive, "_rejected_place", no_room)
        for _ in range(2):
            with pytest.raises(AmkpiError, match="Read-only file system"):
                agency.load(
                    {"clients/broken.csv": FILES["clients/broken.csv"]} if not agency.home.warehouse.exists() else {}
                )
    assert agency.load().run is None
    assert agency.rows("select status, settled from raw.ledger") == [("rejected", True)]
    assert sorted(files_below(agency.home.rejected)) == ["clients/broken.csv", "clients/broken.csv.reason.json"]
