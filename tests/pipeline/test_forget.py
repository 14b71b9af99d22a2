"""`amkpi forget`: every kind of copy, dry runs, unknown ids, and a process that is killed at each step."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.erasure import unfinished
from amkpi.core.erasure.register import Subject
from amkpi.core.errors import AmkpiError
from amkpi.core.storage import closing_register, published_hashes
from amkpi.core.storage.closing_register import Act, ClosedPeriod
from amkpi.core.storage.migrations.state_stores import FIRST_SEEN, SCORECARDS
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.pipeline import forget as forgetting
from amkpi.pipeline import status, steps
from amkpi.pipeline.forget import ForgetReport, forget
from amkpi.publishing.closing import files, verification
from amkpi.transform.spark.lake import Lake
from tests.conftest import AS_OF, Agency
from tests.pipeline.forgotten import (
    CLIENT,
    CLIENT_NAME,
    COMMENT,
    FILES,
    MAIL,
    MAPPING,
    NAME,
    NEVER_AGAIN,
    PERSON,
    STAFF,
    TITLE,
    found,
)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    """An agency with every kind of copy of the names; a publication and a closing that are only as large as needed."""
    agency = Agency.at(tmp_path_factory.mktemp("named") / "home")
    home = agency.home
    home.sources.mkdir()
    (home.sources / "asana.yml").write_text(MAPPING)
    agency.load(FILES)
    for path, text in (
        (home.audits / "audit.html", f"<p>{NAME} &amp; {MAIL}</p>"),
        (home.state / "access" / "2026-10-01.jsonl", f'{{"who":"{MAIL}","path":"/"}}\n'),
        (home.dbt_target / "dbt.log", json.dumps(NAME)),
        (home.outbox / "month_2026-09_NV012.eml", "an encoded mail"),
        (home.parquet / "x" / "dim_staff" / "all.parquet", NAME),
        (home.warehouse.with_name("rebuild.duckdb"), NAME),
        (home.warehouse.parent / "warehouse.duckdb.tmp" / "spilled.tmp", f"\0{NAME}"),
        (home.published / ".kpi_3.duckdb.part", f"\0{NAME}"),
        (home.closed / ".3-2026-Q3.duckdb.part", f"\0{NAME}"),
        (home.lake / "built" / "marts" / "dim_staff" / "part.parquet", NAME),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with SCORECARDS.open(home.state) as connection:
        connection.executemany(
            "insert into sendings values ('month', ?, 'week', 'NV012', ?, 'p', 1, 'v', 'id', 'sent', '2026-10-01', '',"
            " 1, '[]', null, null)",
            [(f"{year}-09", MAIL) for year in range(2000, 2200)],
        )
    with FIRST_SEEN.open(home.state):
        pass
    with closing(sqlite3.connect(home.state / FIRST_SEEN.name)) as connection, connection:
        # What is deleted stays in the file, in pages that are free.
        connection.execute("pragma secure_delete = off")
        connection.execute("create table gone (text text)")
        connection.executemany("insert into gone (text) values (?)", [(NAME,)] * 1000)
        connection.execute("drop table gone")
    for number in (1, 2):
        _fill(home.published / f"kpi_{number:016}.duckdb")
        published_hashes.record(home, home.published / f"kpi_{number:016}.duckdb")
    register = closing_register.begin(home)
    for n, period in ((1, "2026-Q1"), (2, "2026-Q2")):
        _fill(home.closed / f"{n}-{period}.duckdb")
        act = Act(
            n=n, period=period, periods=(ClosedPeriod("quarter", date(2026, 1, 1), date(2026, 3, 31)),), by="An",
            at=agency.moment, note="", publication_id="p", as_of=AS_OF, delivery=1, pipeline_version="v",
            reporting_currency="VND", waiting_files=0, waiting_rows=0, rows_held_back=0,
            file_sha256=files.sha256(home.closed / f"{n}-{period}.duckdb"),
        )  # fmt: skip
        register = closing_register.append(home, register, act)
    return agency


def _fill(file: Path) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.dim_staff (staff_id varchar, full_name varchar, email varchar, n int)")
        connection.executemany(
            "insert into marts.dim_staff values (?, ?, ?, ?)", [["NV012", NAME, MAIL, 7], ["X", None, "x", 1]]
        )
    file.chmod(0o444)


@pytest.fixture
def agency(named: Agency, tmp_path: Path) -> Agency:
    return named.copy(tmp_path / "home")


def _erased(agency: Agency, subject: Subject = PERSON) -> ForgetReport:
    return forget(agency.run, subject, "An", write=True)


def _contents(agency: Agency) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in agency.home.root.rglob("*")
        if path.is_file() and path.name not in ("lock", "layout.json")
    }


@pytest.mark.slow
def test_a_dry_run_changes_nothing_and_counts_what_is_then_done(agency: Agency) -> None:
    before = _contents(agency)
    counted = forget(agency.run, PERSON)
    assert _contents(agency) == before
    assert not counted.is_done
    done = _erased(agency)
    assert found(agency.home.root, *NEVER_AGAIN) == []
    assert dict(counted.places) | {"warehouse": ""} == dict(done.places) | {"warehouse": ""}
    places = dict(done.places)
    assert places["archive"] == "4 files"
    assert places["publications"] == places["closings"] == "2 files, 4 cells"
    assert places["state stores"] == "200 cells"
    assert places["texts (audits, logs, rejected files, …)"] == "4 files"
    assert not agency.home.outbox.exists()
    assert not agency.home.lake.exists()
    assert any("mails that were sent" in line for line in done.unreachable)
    assert not any(path.name.startswith("rebuild") for path in agency.home.warehouse.parent.iterdir())


@pytest.mark.slow
def test_a_bucket_is_emptied_first_and_its_older_versions_are_named(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named_lines() -> list[str]:
        return [line for line in forget(agency.run, PERSON).unreachable if line.startswith("the bucket of the lake")]

    def unreachable(lake: Lake) -> None:
        raise AmkpiError("cannot empty the lake")

    assert named_lines() == []
    agency.set(lake="s3://bucket/kpi")
    monkeypatch.setattr(Lake, "check", lambda lake: None)
    assert named_lines() == ["the bucket of the lake: its files are removed; older versions stay, if it keeps any"]
    before = _contents(agency)
    monkeypatch.setattr(Lake, "remove", unreachable)
    with pytest.raises(AmkpiError, match="cannot empty the lake"):
        _erased(agency)
    assert _contents(agency) == before


@pytest.mark.slow
def test_the_rows_of_a_person_keep_lines_and_ids(agency: Agency) -> None:
    deliveries = agency.rows("select delivery, file_name, status, rows_read, bytes from raw.ledger order by all")
    _erased(agency)
    who = PERSON.pseudonym
    assert (
        agency.rows("select delivery, file_name, status, rows_read, bytes from raw.ledger order by all") == deliveries
    )
    sql = "select _line, staff_id, valid_from, full_name, email, _extra from raw.staff where not _malformed order by 1"
    assert agency.rows(sql)[:2] == [
        (2, "NV012", "2024-01-01", who, who, f'{{"nickname":"{who}"}}'),
        (3, "NV012", "2025-01-01", who, who, f'{{"nickname":"{who}"}}'),
    ]
    ((row,),) = agency.rows("select _row from raw.staff where _malformed")
    assert row == f'["NV012", {", ".join([f"{chr(34)}{who}{chr(34)}"] * 7)}]'
    # A comment about another client, and a column that nobody declared.
    assert agency.rows(
        "select response_id, comment from raw.client_surveys where comment = $who order by 1".replace(
            "$who", f"'{who}'"
        )
    ) == [("R2", who)]
    assert agency.rows("select _extra from raw.clients where client_id = 'KH07'") == [(f'{{"owner":"{who}"}}',)]
    assert agency.rows("select project_name from raw.projects where project_id = 'P1'") != [(who,)]


@pytest.mark.slow
def test_the_next_night_does_not_bring_the_names_back_and_loads_nothing_twice(agency: Agency) -> None:
    before = _ids(agency)
    _erased(agency)
    _erased(agency, CLIENT)
    report = agency.load({**FILES, "staff/next.csv": STAFF.replace("hoai riêng", "")})
    statuses = {each.file_name: each.status for each in report.deliveries}
    assert statuses.pop("staff/broken.csv") == "rejected"
    assert statuses.pop("staff/next.csv") == "loaded"
    assert set(statuses.values()) == {"duplicate"}
    # A file that cannot be read has no ids to go by: it is kept as it came (docs/operations/retention.md).
    for path in agency.home.rejected.rglob("broken*"):
        path.unlink()
    assert found(agency.home.root, *NEVER_AGAIN, CLIENT_NAME, TITLE, COMMENT) == []
    # A new export names its people and clients as ever; the ids are found by the pseudonyms.
    agency.load({"asana-2.csv": FILES["asana.csv"].replace("77", "78")})
    assert found(agency.home.root, *NEVER_AGAIN, CLIENT_NAME) == []
    assert _ids(agency) == sorted([*before, ("78", "KH07", "NV012")])


def _ids(agency: Agency) -> list[tuple[Any, ...]]:
    """The projects with the ids that are looked up by name and address."""
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
        return connection.execute("select project_id, client_id, owner_id from valid.projects order by 1").fetchall()


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (Subject("staff", "NV999"), "no staff member NV999 was ever delivered"),
        (Subject("client", "NV012"), "no client NV012 was ever delivered"),
    ],
)
def test_an_unknown_id_is_an_error_and_changes_nothing(agency: Agency, subject: Subject, said: str) -> None:
    before = _contents(agency)
    with pytest.raises(AmkpiError, match=said):
        _erased(agency, subject)
    assert _contents(agency) == before


class Killed(BaseException):
    """Ends the process at a point."""


def _with_points(patch: pytest.MonkeyPatch, fatal: int) -> list[str]:
    """Before and after every rename, removal and change of a store is a point; at the fatal one the process ends.

    Returns the points that were passed, each as what it is about.
    """
    passed: list[str] = []

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def point(when: str, first: object) -> None:
            folder = first.parent.name if isinstance(first, Path) and function.__name__ in ("replace", "unlink") else ""
            passed.append(f"{when} {function.__name__} {'archive' if len(folder) == 2 else folder}".strip())
            if len(passed) == fatal:
                raise Killed

        def called(*given: Any, **named: Any) -> Any:
            point("before", given[0])
            result = function(*given, **named)
            point("after", given[0])
            return result

        return called

    for name in ("replace", "unlink"):
        patch.setattr(Path, name, around(getattr(Path, name)))
    for module, name in (
        (forgetting.text_files, "in_store"), (closing_register, "append"), (forgetting.register, "enter"),
        (forgetting.loaded.delivery_log, "replace_hash"), (forgetting.shutil, "rmtree"),
    ):  # fmt: skip
        patch.setattr(module, name, around(getattr(module, name)))
    return passed


# Each is a place in which nothing but the record of the erasure knows how far it came.
_HALF_DONE = ("after enter", "before unlink archive", "after replace published", "after replace closed",
              "after in_store", "before replace warehouse")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "every", [pytest.param(False, id="half done"), pytest.param(True, id="every third", marks=pytest.mark.long)]
)
def test_a_killed_erasure_is_continued(agency: Agency, tmp_path: Path, every: bool) -> None:
    whole = agency.copy(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        points = _with_points(patch, 0)
        _erased(whole)
    assert len(points) > 60
    archived = sorted(path.name for path in whole.home.archive.rglob("*.*"))
    for fatal in range(1, len(points) + 1, 3) if every else [points.index(each) + 1 for each in _HALF_DONE]:
        copy = agency.copy(tmp_path / f"at_{fatal}")
        with pytest.MonkeyPatch.context() as patch:
            _with_points(patch, fatal)
            with pytest.raises(Killed):
                _erased(copy)
        if unfinished.read(copy.home) or not every:
            with pytest.raises(
                AmkpiError, match=r"an erasure was interrupted, or is still going on: run `amkpi forget NV012"
            ):
                copy.load()
            with pytest.raises(AmkpiError, match="an erasure was interrupted"):
                steps.back_up(copy.run)
            with pytest.raises(AmkpiError, match="another erasure was interrupted"):
                _erased(copy, CLIENT)
            assert "an erasure was interrupted" in status.read_status(copy.run).problems[0]
        _erased(copy)
        assert found(copy.home.root, *NEVER_AGAIN) == [], points[fatal - 1]
        assert len(verification.verify(copy.home).register.lines) == 4, points[fatal - 1]
        assert status.read_status(copy.run).problems == (), points[fatal - 1]
        assert sorted(path.name for path in copy.home.archive.rglob("*.*")) == archived, points[fatal - 1]
        assert unfinished.read(copy.home) is None
