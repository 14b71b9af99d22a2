"""Publishing: atomic, versioned, reproducible, and never half."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from amkpi.core import build_record, publication_id
from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.pipeline import steps
from amkpi.pipeline.status import read_status
from amkpi.publishing import publications, retention
from amkpi.publishing.reader import open_publication
from amkpi.scorecards.mail.history import History, Sending
from amkpi.scorecards.model import SentFigure
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency

REPRODUCIBLE = (
    "kpi_values", "kpi_evidence", "scorecards", "scorecard_lines", "supporting_measures", "dim_staff", "dim_client",
)  # fmt: skip
STAFF = "staff_id,valid_from,full_name,role,is_active\nA,2026-01-01,Lê An,account_manager,true\n"
CLIENTS = "client_id,client_name\nC,Trà Xanh\n"


def contracts(*amounts: int) -> str:
    """One contract of client C and owner A for each amount, signed on 2026-10-01."""
    header = "contract_id,client_id,owner_id,kind,signed_date,start_date,end_date,amount,currency\n"
    rows = [f"K{n},C,A,new_business,2026-10-01,2026-10-01,2027-09-30,{a},VND\n" for n, a in enumerate(amounts)]
    return header + "".join(rows)


def published_rows(file: Path) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return {t: connection.execute(f"select * from marts.{t} order by all").fetchall() for t in REPRODUCIBLE}


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    """One person with one contract of 100 VND, loaded and built. Tests work on copies of it."""
    agency = Agency.at(tmp_path_factory.mktemp("built") / "home")
    agency.load({"staff/s.csv": STAFF, "clients/c.csv": CLIENTS, "contracts/k.csv": contracts(100)})
    agency.build()
    return agency


@pytest.fixture
def small(built_once: Agency, tmp_path: Path) -> Agency:
    """A copy of the small agency."""
    return built_once.copy(tmp_path / "small")


@pytest.mark.slow
def test_what_is_published_can_be_read_alone_and_only_read(small: Agency) -> None:
    agency = small
    file = agency.publish_unaudited()
    assert agency.home.current.resolve() == file
    assert file.name == f"kpi_{publication_id.current_file(agency.home).stem[4:]}.duckdb"  # type: ignore[union-attr]
    assert not file.stat().st_mode & 0o222
    with duckdb.connect(str(file), read_only=True) as connection:
        revenue = connection.execute(
            "select staff_id, numerator, source_id from marts.kpi_evidence"
            " where kpi = 'client_revenue' and period_grain = 'month'"
        ).fetchall()
        assert revenue == [("A", 100.0, "K0")]
        assert connection.execute("select as_of, reporting_currency from marts.publication").fetchall() == [
            (AS_OF, "VND")
        ]
        with pytest.raises(duckdb.Error):
            connection.execute("delete from intermediate.int_kpi_values")


@pytest.mark.slow
def test_a_reader_may_attach_the_file_under_any_name(small: Agency) -> None:
    agency = small
    file = agency.publish_unaudited()
    with duckdb.connect() as connection:
        connection.execute(f"attach '{file}' as whatever (read_only)")
        assert connection.execute("select count(*) > 0 from whatever.marts.kpi_evidence").fetchall() == [(True,)]


@pytest.mark.slow
def test_a_build_that_was_not_audited_is_not_published(small: Agency) -> None:
    agency = small
    with pytest.raises(AmkpiError, match="not audited"):
        steps.publish(agency.run)
    assert not agency.home.current.exists()


@pytest.mark.slow
def test_a_build_whose_audit_failed_is_not_published(small: Agency) -> None:
    agency = small
    with agency.warehouse() as connection:
        connection.execute("update audit.build set passed = false")
    with pytest.raises(AuditBlocked):
        steps.publish(agency.run)
    assert not agency.home.current.exists()


@pytest.mark.slow
def test_a_build_that_new_rows_overtook_is_not_published(small: Agency) -> None:
    agency = small
    agency.load({"contracts/more.csv": contracts(1, 2)})
    with pytest.raises(AmkpiError, match="run `amkpi build` first"):
        steps.publish(agency.run)


@pytest.mark.slow
def test_the_same_inputs_give_the_same_id_and_rows_elsewhere_later_and_from_the_archive(
    make_agency: Callable[..., Agency],
) -> None:
    runs = random_agency(31, as_of=AS_OF, dirty=True, size="tiny")
    files = []
    for name in ("here", "there"):
        agency = make_agency(name)
        agency.moment += timedelta(days=len(files) * 100)
        for each in runs:
            agency.load(each)
        agency.build()
        files.append(agency.publish_unaudited())
    agency.home.warehouse.unlink()
    shutil.rmtree(agency.home.published)
    steps.rebuild(agency.run)
    agency.build()
    files.append(agency.publish_unaudited())
    assert len({file.name for file in files}) == 1
    first, second, third = (published_rows(file) for file in files)
    assert first == second == third
    assert len(first["kpi_values"]) > 1000


@pytest.mark.slow
def test_another_date_setting_or_file_gives_another_id(small: Agency) -> None:
    agency = small

    def identity(agency: Agency) -> str:
        with agency.warehouse() as connection:
            return publication_id.publication_id(agency.home, connection, agency.run.settings, agency.run.as_of)

    seen = [identity(agency)]
    agency.run = replace(agency.run, as_of=date(2026, 10, 18))
    seen.append(identity(agency))
    agency.set(min_raters=2)
    seen.append(identity(agency))
    agency.load({"contracts/more.csv": contracts(1, 2)})
    seen.append(identity(agency))
    agency.set(keep_publications=1, settle_seconds=0.0)
    assert len(set(seen)) == 4
    assert identity(agency) == seen[-1], "what does not shape results does not change the id"


@pytest.mark.slow
def test_nothing_new_builds_and_publishes_nothing(small: Agency) -> None:
    agency = small
    agency.publish_unaudited()
    before = agency.home.current.readlink(), agency.home.current.stat().st_mtime_ns
    assert not steps.build(agency.run).is_new
    assert not steps.audit(agency.run).is_new
    assert not steps.publish(agency.run).is_new
    assert (agency.home.current.readlink(), agency.home.current.stat().st_mtime_ns) == before


@pytest.mark.slow
def test_old_publications_go_but_the_newest_and_each_days_last_stay(small: Agency) -> None:
    agency = small
    agency.set(keep_publications=2, keep_daily_days=31)
    newest = agency.publish_unaudited()
    now = agency.moment.timestamp()
    ages = {"a" * 16: 3600, "b" * 16: 7200, "c" * 16: 2 * 86400, "d" * 16: 2 * 86400 + 60, "e" * 16: 40 * 86400}
    for name, age in ages.items():
        path = agency.home.published / f"kpi_{name}.duckdb"
        path.touch()
        os.utime(path, (now - age, now - age))
    os.utime(newest, (now, now))
    retention.prune(agency.home, agency.run.settings, agency.moment)
    stay = {path.stem[4:] for path in agency.home.published.glob("kpi_*.duckdb")}
    # a is the second newest; c the last of its day; b, d and the one of 40 days ago go.
    assert stay == {newest.stem[4:], "a" * 16, "c" * 16}


@pytest.mark.long
@pytest.mark.slow
def test_a_historical_publication_leaves_the_current_one_and_is_made_once(small: Agency) -> None:
    agency = small
    agency.run = replace(agency.run, historical=True)
    current = agency.publish_unaudited()
    assert agency.home.current.resolve() == current, (
        "the first publication is current, even if a historical one was asked for"
    )
    assert not steps.is_past(agency.run)
    assert publications.historical_publications(agency.home) == []

    agency.load({"clients/late.csv": CLIENTS + "D,Khác\n"})
    agency.run = replace(agency.run, as_of=AS_OF - timedelta(days=17))
    assert steps.is_past(agency.run)
    agency.build()
    file = agency.publish_unaudited()
    assert agency.home.current.resolve() == current
    assert publications.historical_publications(agency.home) == [(file, AS_OF - timedelta(days=17))]
    assert agency.load().unprocessed.keys() == {"contract"}, "the current publication still lacks the late client"
    assert not steps.build(agency.run).is_new
    assert not steps.audit(agency.run).is_new
    again = steps.publish(agency.run)
    assert (again.file, again.is_new, again.historical) == (file, False, True)

    over = replace(agency.run, historical=False)
    steps.build(over)
    with agency.warehouse() as connection:
        connection.execute("update audit.build set passed = true")
    assert steps.publish(over).is_new
    assert agency.home.current.resolve() == file
    assert publications.historical_publications(agency.home) == [], "the current publication is not historical"


def test_historical_publications_displace_no_nightly_one_and_their_newest_stay(agency: Agency) -> None:
    agency.set(keep_publications=2, keep_daily_days=0)
    now = agency.moment.timestamp()
    nights, historical = ["a" * 16, "b" * 16, "c" * 16], ["d" * 16, "e" * 16, "f" * 16]
    for age, name in enumerate([*historical, *nights]):
        path = agency.home.published / f"kpi_{name}.duckdb"
        path.touch()
        os.utime(path, (now - 86400 * (age + 1), now - 86400 * (age + 1)))
    for name in historical:
        (agency.home.published / f".beside_{name}").touch()
    assert retention.prune(agency.home, agency.run.settings, agency.moment) == 2
    stay = {path.stem[4:] for path in agency.home.published.glob("kpi_*.duckdb")}
    assert stay == {*nights[:2], *historical[:2]}
    assert {path.name for path in agency.home.published.glob(".beside_*")} == {f".beside_{n}" for n in historical[:2]}


@pytest.mark.slow
def test_a_load_between_the_steps_makes_them_build_again(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def audit(run: object, progress: object) -> str:
        calls.append("audit")
        build_record.check_built(agency.home, agency.run.settings, agency.run.as_of)
        return "audited"

    def publish(run: object, progress: object) -> str:
        calls.append("publish")
        build_record.check_built(agency.home, agency.run.settings, agency.run.as_of)
        return "published"

    def build(run: object, progress: object) -> None:
        calls.append("build")
        with agency.warehouse() as connection:
            build_record.mark_building(connection)
        build_record.mark_built(agency.home, agency.run.settings, agency.run.as_of)

    for step in (audit, publish, build):
        monkeypatch.setattr(steps, step.__name__, step)
    agency.load({"clients/c.csv": CLIENTS})
    build(None, None)
    assert steps.audit_rebuilding_if_stale(agency.run) == "audited"
    agency.load({"clients/d.csv": CLIENTS + "D,Khác\n"})
    assert steps.audit_rebuilding_if_stale(agency.run) == "audited"
    agency.load({"clients/e.csv": CLIENTS})  # a duplicate: it makes no build due, and yet is another delivery
    assert steps.publish_rebuilding_if_stale(agency.run) == "published"
    assert calls == ["build", "audit", "audit", "build", "audit", "publish", "build", "audit", "publish"]


READER = """
import os, sys, time, duckdb
link, stop = sys.argv[1:]
reads = 0
seen = set()
while not os.path.exists(stop):
    with duckdb.connect(os.path.realpath(link), read_only=True) as connection:
        (identity,), = connection.execute("select publication_id from marts.publication").fetchall()
        (own, company), = connection.execute(
            "select sum(value) filter (scope = 'own'), sum(value) filter (scope = 'company') from marts.kpi_values"
            " where kpi = 'client_revenue' and period_grain = 'month'").fetchall()
        assert own == company, (own, company)
        (lines,), = connection.execute("select count(*) from marts.scorecard_lines").fetchall()
        assert lines > 0
    reads += 1
    seen.add(identity)
print(reads, len(seen))
"""


@pytest.mark.slow
def test_a_reader_in_a_loop_sees_ten_publications_and_never_half_of_one(small: Agency, tmp_path: Path) -> None:
    agency = small
    agency.publish_unaudited()
    stop = tmp_path / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(agency.home.current), str(stop)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for number in range(10):
            # Only what publishing sees differs: a build a publication would take two minutes.
            with agency.warehouse() as connection:
                connection.execute("update intermediate.int_kpi_values set value = ? where kpi_number = 1", [number])
                connection.execute("update audit.build set publication_id = ?", [f"{number:016x}"])
            _publish_as(agency, f"{number:016x}")
            time.sleep(0.05)
    finally:
        stop.touch()
        out, error = reader.communicate(timeout=60)
    assert reader.returncode == 0, error
    reads, publications = map(int, out.split())
    assert reads >= 20
    assert publications >= 5


def _publish_as(agency: Agency, identity: str) -> None:
    """Publish what the warehouse holds under a given id."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (publications, build_record):
            patch.setattr(module, "publication_id", lambda *_: identity)
        agency.publish_unaudited()


@pytest.mark.slow
def test_what_was_mailed_and_what_moved_since_stands_in_the_marts(small: Agency) -> None:
    agency = small
    first = agency.publish_unaudited()
    sent = SentFigure("company", None, "client_revenue", "month", date(2026, 9, 1), "value", 5.0)
    identity = first.stem.removeprefix("kpi_")
    History(agency.home.state).write(
        Sending("month", "2026-09", "closed", "A", "a@agency.example", identity, 3, "0.0", "<1@agency.example>", "sent",
                agency.moment, "250 ok", 1, (sent,))
    )  # fmt: skip
    agency.run = replace(agency.run, as_of=date(2026, 10, 18))
    agency.build()
    with duckdb.connect(str(agency.publish_unaudited()), read_only=True) as connection:
        assert connection.execute("select staff_id, period, state from marts.scorecards_sent").fetchall() == [
            ("A", "2026-09", "sent")
        ]
        moved = connection.execute("select kpi, scope, value_then, value_now, cause from marts.restatements").fetchall()
    assert moved == [("client_revenue", "company", 5.0, None, "version_changed")]


@pytest.mark.slow
def test_a_publication_that_somebody_has_written_into_is_told_and_written_again(small: Agency) -> None:
    agency = small
    file = agency.publish_unaudited()
    before = published_rows(file)
    assert not steps.publish(agency.run).is_new
    file.chmod(0o644)
    with duckdb.connect(str(file)) as connection:
        connection.execute("update marts.dim_staff set full_name = 'somebody else'")
    assert published_rows(file) != before
    (problem,) = read_status(agency.run).problems
    assert problem.startswith(f"{file} is not what was published, somebody has written into it: `amkpi run`")
    with agency.warehouse() as connection:
        # It is no base for the next publication either.
        connection.execute("update audit.build set based_on = ?", [file.stem[4:]])
        assert publications._base(agency.home, connection) is None
    report = steps.publish(agency.run)
    assert (report.is_new, report.repaired, report.file) == (True, True, file)
    assert published_rows(file) == before
    assert file.stat().st_mode & 0o777 == 0o444
    assert read_status(agency.run).problems == ()
    again = steps.publish(agency.run)
    assert (again.is_new, again.repaired) == (False, False)


@pytest.mark.slow
def test_who_holds_the_file_for_writing_is_named(small: Agency) -> None:
    file = small.publish_unaudited()
    file.chmod(0o644)
    code = f"import duckdb, sys; c = duckdb.connect({str(file)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        said = rf"{file} is open for writing by process {writer.pid} \(python.*let it open the file read-only$"
        for read in (lambda: publications.current_as_of(small.home), lambda: open_publication(file, "UTC")):
            with pytest.raises(AmkpiError, match=said):
                read()
        writer.communicate()
