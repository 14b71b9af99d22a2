"""`amkpi agencies` and `--agency`: each agency with its own status, and what waits in one of them."""

from __future__ import annotations

import errno
import json
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from amkpi.alerts.store import AlertStore, Incident
from amkpi.core.agencies import read_agencies
from amkpi.core.findings import Finding
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.expectations import history
from amkpi.expectations.context import AuditContext
from amkpi.ingestion.tables import create_tables
from amkpi.interfaces.cli.main import main
from amkpi.pipeline.agencies import AgencyStatus, read_agency, show_agencies
from amkpi.pipeline.status import Status, read_status
from amkpi.pipeline.waiting import is_anything_waiting

FILE = """
[group]
name = "Sao Mai"
reporting_currency = "VND"

[[agencies]]
code = "hanoi"
name = "Sao Mai Hà Nội"
region = "North"
home = "homes/hanoi"

[[agencies]]
code = "saigon"
name = "Sao Mai Sài Gòn"
home = "homes/saigon"
landing = "share/saigon"
"""


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a group whose homes are not made yet. AMKPI_HOME is set, as in the image."""
    (tmp_path / "agencies.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("AMKPI_AGENCIES", str(tmp_path / "agencies.toml"))
    monkeypatch.setenv("AMKPI_HOME", str(tmp_path / "nobody"))
    return tmp_path


def test_the_agencies_are_shown_with_what_needs_attention(group: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agencies"]) == 1
    assert "hanoi: no folder" in capsys.readouterr().out
    assert main(["agencies", "--make"]) == 0
    assert (group / "homes" / "hanoi" / "landing" / "clients").is_dir()
    assert (group / "share" / "saigon" / "clients").is_dir()
    (group / "share" / "saigon" / "clients" / "a.csv").write_text("x")
    AlertStore(Home.at(group / "homes" / "saigon")).raise_(
        Incident("task-failed", "build_marts.build", "why"), datetime(2026, 10, 17, tzinfo=UTC)
    )
    capsys.readouterr()
    assert main(["agencies", "--format", "json"]) == 1
    hanoi, saigon = json.loads(capsys.readouterr().out)
    assert (hanoi["code"], hanoi["region"], hanoi["as_of"], hanoi["problems"]) == ("hanoi", "North", None, [])
    assert (saigon["waiting"], saigon["problems"]) == (1, ["task-failed build_marts.build: why"])
    assert main(["agencies"]) == 1
    assert "saigon: task-failed build_marts.build: why" in capsys.readouterr().out
    assert not (group / "nobody").exists()


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied", "/"),
        OSError(errno.ESTALE, "Stale file handle"),
        duckdb.IOException('IO Error: Cannot open file\n"kpi.duckdb"'),
    ],
)
def test_an_agency_that_cannot_be_opened_does_not_hide_the_others(
    group: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def status(run: Run) -> Status:
        if run.home.root.name == "hanoi":
            raise error
        return read_status(run)

    main(["agencies", "--make"])
    (group / "share" / "saigon" / "a.csv").write_text("x")
    capsys.readouterr()
    monkeypatch.setattr("amkpi.pipeline.agencies.read_status", status)
    assert main(["agencies", "--format", "json"]) == 1
    hanoi, saigon = json.loads(capsys.readouterr().out)
    (problem,) = hanoi["problems"]
    assert "\n" not in problem
    assert any(said in problem for said in ("permission denied: /", "Stale file handle", "Cannot open file"))
    assert (saigon["waiting"], saigon["problems"]) == (1, [])


def test_folders_that_cannot_be_made_do_not_keep_the_others_from_theirs(
    group: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    landing = group / "homes" / "hanoi" / "landing"
    landing.mkdir(parents=True)
    (landing / "clients").write_text("a file where a folder must be")
    assert main(["agencies", "--make"]) == 1
    shown = capsys.readouterr()
    assert f"hanoi: cannot create {landing / 'clients'}: File exists" in shown.err
    assert "saigon" not in shown.err
    assert (group / "share" / "saigon" / "clients").is_dir()


def test_the_moment_of_a_publication_has_the_offset_of_its_zone(capsys: pytest.CaptureFixture[str]) -> None:
    paris = datetime(2026, 11, 30, 1, 1, tzinfo=ZoneInfo("Europe/Paris"))
    show_agencies([AgencyStatus("paris", "Sao Mai Paris", "Europe", date(2026, 11, 29), paris, 0, ())])
    assert "30/11/2026 01:01 +0100" in capsys.readouterr().out


def test_a_blocked_publication_is_a_problem_told_once(group: Path) -> None:
    main(["agencies", "--make"])
    (agency, _) = read_agencies(group / "agencies.toml").agencies
    finding = Finding(
        suite="marts", expectation="no_loop_in_the_chain_of_managers", table_name="staff", column_name=None,
        success=False, severity="blocking", observed="A is over A", unexpected_count=1, advice="correct it",
    )  # fmt: skip
    with duckdb.connect(str(agency.home.warehouse)) as connection:
        create_tables(connection)
    moment = datetime(2026, 10, 17, 12, tzinfo=UTC)
    context = AuditContext(moment.date(), moment, 0, None)
    history.record(agency.home, Run.of_agency(agency).settings, "0" * 16, context, [finding])
    (problem,) = read_agency(agency).problems
    assert problem.startswith(f"the audit as of 17/10/2026 blocked publication: see {agency.home.audits}")
    AlertStore(agency.home).raise_(Incident("publication-blocked", "", "A is over A"), moment)
    assert read_agency(agency).problems == ("publication-blocked: A is over A",)


def test_a_command_is_for_the_agency_that_is_named(group: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["agencies", "--make"])
    (group / "share" / "saigon" / "a.csv").write_text("x")
    for arguments in (["status", "--agency", "saigon"], ["--agency", "saigon", "status"]):
        capsys.readouterr()
        assert main([*arguments, "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["home"], found["waiting"]) == (str(group / "homes" / "saigon"), ["a.csv"])


def test_an_agency_is_named_alone_and_rightly(
    group: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["status", "--agency", "hanoi", "--home", str(group)]) == 2
    assert main(["status"]) == 1
    assert "AMKPI_HOME is no agency of" in capsys.readouterr().err
    assert main(["status", "--agency", "hue"]) == 1
    assert "no agency hue; known are hanoi, saigon" in capsys.readouterr().err
    monkeypatch.delenv("AMKPI_AGENCIES")
    for arguments in (["status", "--agency", "hanoi"], ["agencies"]):
        assert main(arguments) == 1
        assert "set AMKPI_AGENCIES" in capsys.readouterr().err


def test_a_file_or_a_loaded_row_without_a_build_waits(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    assert not is_anything_waiting(home)
    (home.landing / "a.csv").write_text("x")
    assert is_anything_waiting(home)
    (home.landing / "a.csv").unlink()
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("create schema raw")
        connection.execute(
            "create table raw.ledger (extract text, status text, rows_read int, source text, delivery int)"
        )
        connection.execute("insert into raw.ledger values ('clients', 'rejected', 0, null, 1)")
    assert not is_anything_waiting(home)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("insert into raw.ledger values ('clients', 'loaded', 5, null, 2)")
    assert is_anything_waiting(home)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("create table raw.processed (delivery bigint)")
        connection.execute("insert into raw.processed values (1)")
    assert is_anything_waiting(home)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("update raw.processed set delivery = 2")
    assert not is_anything_waiting(home)
    home.warehouse.write_bytes(b"no database")
    assert is_anything_waiting(home), "a load says what is wrong with the file"
