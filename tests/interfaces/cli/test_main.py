"""The command line: what it prints, and its exit codes."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from amkpi.core.language.periods import GRAINS
from tests.command_line import amkpi, failed
from tests.paths import EXAMPLE


def put(home: Path, name: str, text: str) -> None:
    path = home / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_no_home_is_one_line() -> None:
    assert "use --home DIR, or set AMKPI_HOME" in failed(amkpi(None, "load"), 1)


def test_options_may_stand_before_the_command_and_one_behind_it_wins(tmp_path: Path) -> None:
    assert f"nothing yet in {tmp_path / 'a'}" in amkpi(None, "--home", str(tmp_path / "a"), "status").stdout
    both = amkpi(None, "--home", str(tmp_path / "a"), "status", "--home", str(tmp_path / "b"))
    assert f"nothing yet in {tmp_path / 'b'}" in both.stdout
    assert f"nothing yet in {tmp_path / 'a'}" in amkpi(tmp_path, "--home", str(tmp_path / "a"), "status").stdout
    assert "--as-of 'x' is not a date" in failed(amkpi(tmp_path, "--as-of", "x", "build"), 1)


def test_options_before_a_command_of_a_group_are_taken_too(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "crm.yml").write_text("wrong: true\n")
    (tmp_path / "deals.csv").write_text("a\n1\n")
    assert "crm.yml" in failed(amkpi(None, "--home", str(tmp_path), "sources", "check", str(tmp_path / "deals.csv")), 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--agency", "nope", "group", "build"), "--agency does not apply to group: use --agencies FILE"),
        (("--as-of", "2026-10-17", "group", "build"), "--as-of does not apply to group"),
        (("--agency", "nope", "sources", "schema"), "--agency does not apply to sources"),
        (("--home", "demo", "completion", "bash"), "--home does not apply to completion"),
        (("--home", "demo", "agencies"), "--home does not apply to agencies"),
    ],
)
def test_an_option_before_a_command_that_would_ignore_it_is_refused(arguments: tuple[str, ...], told: str) -> None:
    ended = amkpi(None, *arguments)
    assert (ended.code, ended.stdout) == (2, "")
    assert told in ended.stderr


@pytest.mark.parametrize("command", [("scorecards",), ("group", "scorecards")])
def test_a_grain_that_is_none_is_told_with_those_that_are(command: tuple[str, ...]) -> None:
    ended = amkpi(None, *command, "--grain", "quarterly")
    assert ended.code == 2
    assert "'quarterly' is not one of " + ", ".join(map(repr, GRAINS)) in ended.stderr


def test_no_command_writes_into_the_environment(tmp_path: Path) -> None:
    assert not amkpi(None, "--home", str(tmp_path), "--as-of", "2026-10-17", "status").changed_variables


def test_a_name_of_version_0_1_0_is_still_a_command(tmp_path: Path) -> None:
    assert "no open incident" in amkpi(tmp_path, "alerts").stdout
    assert "no open incident" in amkpi(tmp_path, "alarms").stdout
    assert "alarms" not in amkpi(None, "--help").stdout
    assert failed(amkpi(tmp_path, "publish", "--beside"), 1) == failed(amkpi(tmp_path, "publish", "--historical"), 1)


def test_a_date_that_is_none_is_one_line(tmp_path: Path) -> None:
    assert "--as-of '17/10/2026' is not a date" in failed(amkpi(tmp_path, "load", "--as-of", "17/10/2026"), 1)


def test_a_landing_folder_elsewhere_must_exist(tmp_path: Path) -> None:
    assert "no landing folder" in failed(amkpi(tmp_path / "h", "load", "--landing", str(tmp_path / "nowhere")), 1)


def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot create the folder" in failed(amkpi(tmp_path / "file", "load"), 1)


def test_a_typo_in_the_settings_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "amkpi.toml").write_text("timezon = 'UTC'\n")
    assert "did you mean timezone" in failed(amkpi(tmp_path, "load"), 1)


def test_a_mistake_in_a_mapping_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "crm.yml").write_text("file: '*.csv'\nextract: client\ncolumns: {}\n")
    # The files of other mappings are loaded.
    put(tmp_path, "deals.csv", "a\n1\n")
    put(tmp_path, "clients/1.csv", "client_id,client_name\nC1,Trà Xanh\n")
    loaded = amkpi(tmp_path, "load")
    assert "2 files (1 loaded, 1 rejected)" in loaded.stdout
    wrong = [line for line in loaded.stdout.splitlines() if "a mapping is wrong" in line]
    assert len(wrong) == 1
    assert "crm.yml: extract: 'client' is not an extract; did you mean clients?" in wrong[0]


def test_a_second_run_at_the_same_time_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another run holds" in failed(amkpi(tmp_path, "load"), 1)


def test_wrong_usage_exits_with_2(tmp_path: Path) -> None:
    for arguments in (["lod"], ["query"], ["query", "select 1", "--format", "xml"], ["sample", "d", "--months", "0"]):
        result = amkpi(tmp_path, *arguments)
        assert result.code == 2, arguments


def test_asking_before_the_first_publication_is_one_line(tmp_path: Path) -> None:
    assert "nothing is published" in failed(amkpi(tmp_path, "query", "select 1"), 1)
    assert "nothing yet" in amkpi(tmp_path, "status").stdout


def test_steps_out_of_order_are_one_line(tmp_path: Path) -> None:
    assert "run `amkpi build` first" in failed(amkpi(tmp_path, "publish"), 1)
    assert "run `amkpi build` first" in failed(amkpi(tmp_path, "audit"), 1)


def test_a_rejected_file_is_said_and_the_rest_is_loaded(tmp_path: Path) -> None:
    put(tmp_path, "clients/good.csv", "client_id,client_name\nC,Trà Xanh\n")
    put(tmp_path, "clients/bad.csv", "client_id\nC\n")
    put(tmp_path, "invoices/x.csv", "a,b\n1,2\n")
    result = amkpi(tmp_path, "load")
    assert result.code == 0
    assert "clients/bad.csv rejected: required column missing: client_name" in result.stdout
    assert "invoices/x.csv rejected: nothing takes this file" in result.stdout
    reason = json.loads((tmp_path / "rejected/clients/bad.csv.reason.json").read_text())
    assert "client_name" in reason["reasons"][0]["reason"]


@pytest.mark.slow
def test_a_home_that_never_received_a_file_is_one_line_and_nothing_is_published(tmp_path: Path) -> None:
    line = failed(amkpi(tmp_path, "run"), 1)
    assert line == (
        f"amkpi: {tmp_path} never received a file: put extracts into {tmp_path / 'landing'}, or give the right folder"
        " with --home DIR"
    )
    assert f"received    never a file: put extracts into {tmp_path / 'landing'}" in amkpi(tmp_path, "status").stdout
    put(tmp_path, "clients/bad.csv", "client_id\nC\n")
    assert "has loaded no file yet, and rejected 1: see" in failed(amkpi(tmp_path, "run"), 1)
    assert "received" not in amkpi(tmp_path, "status").stdout
    assert not (tmp_path / "published" / "current.duckdb").exists()


@pytest.mark.long
@pytest.mark.slow
def test_a_file_without_rows_publishes_empty_marts_and_says_so(tmp_path: Path) -> None:
    put(tmp_path, "clients/none.csv", "client_id,client_name\n")
    result = amkpi(tmp_path, "run", "--as-of", "2026-10-17")
    assert result.code == 0, result.stderr
    assert "has no rows: nothing was delivered yet" in result.stdout
    counted = amkpi(tmp_path, "query", "select count(*) as n from kpi_values", "--format", "csv")
    assert counted.stdout == "n\n0\n"
    # Again, with nothing new: it costs no import of the heavy libraries, and no process.
    code = (
        "import subprocess, sys; subprocess.Popen = None; from amkpi.interfaces.cli.main import app;"
        "app(['run', '--as-of', '2026-10-17'], standalone_mode=False);"
        "print(sorted({'dbt', 'great_expectations', 'pandas', 'sqlalchemy'} & set(sys.modules)))"
    )
    again = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "AMKPI_HOME": str(tmp_path)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "nothing changed" in again.stdout
    assert again.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_the_example_is_run_asked_and_run_again(tmp_path: Path) -> None:
    for path in (EXAMPLE / "landing").glob("*.csv"):
        put(tmp_path, f"{path.stem}/{path.name}", path.read_text(encoding="utf-8"))
    first = amkpi(tmp_path, "run", "--as-of", "2026-10-17")
    assert first.code == 0, first.stderr
    assert "11 loaded" in first.stdout
    assert "On-time delivery" in first.stdout
    link = (tmp_path / "published/current.duckdb").readlink().name

    again = amkpi(tmp_path, "run", "--as-of", "2026-10-17")
    assert again.code == 0
    assert "nothing new in landing" in again.stdout
    assert "nothing changed" in again.stdout
    assert (tmp_path / "published/current.duckdb").readlink().name == link

    asked = amkpi(tmp_path, "query", "select count(*) as n from kpi_values", "--format", "json")
    assert json.loads(asked.stdout) == [{"n": 18416}]
    assert "the query failed" in failed(amkpi(tmp_path, "query", "select * from nowhere"), 1)
    assert "the query failed" in failed(amkpi(tmp_path, "query", "select * from read_text('/etc/passwd')"), 1)
    assert "DELETE is refused" in failed(amkpi(tmp_path, "query", "delete from kpi_values"), 1)
    identity = link.removeprefix("kpi_").removesuffix(".duckdb")
    assert identity in amkpi(tmp_path, "status").stdout
    as_json = json.loads(amkpi(tmp_path, "status", "--format", "json").stdout)
    assert as_json["publication"]["publication_id"] == identity
    assert as_json["publication"]["as_of"] == "2026-10-17"
    assert as_json["audit"]["passed"] is True

    # Everybody reports to the other: published stays what was good.
    put(tmp_path, "staff/loop.csv", "staff_id,valid_from,full_name,role,manager_id,is_active\n"
        "G1,2026-10-01,Trần Thị Group,group_account_director,D1,true\n"
        "D1,2026-10-01,Giám đốc D1,account_director,G1,true\n")  # fmt: skip
    blocked = amkpi(tmp_path, "run", "--as-of", "2026-10-17")
    assert blocked.code == 3
    assert "D1" in blocked.stdout + blocked.stderr
    assert (tmp_path / "published/current.duckdb").readlink().name == link


@pytest.mark.slow
def test_a_warehouse_that_is_no_database_is_one_line_that_says_rebuild_and_rebuild_mends_it(tmp_path: Path) -> None:
    put(tmp_path, "clients/c.csv", "client_id,client_name\nC,Trà Xanh\n")
    assert amkpi(tmp_path, "load").code == 0
    warehouse = tmp_path / "warehouse" / "warehouse.duckdb"
    warehouse.write_bytes(b"broken" * 4096)
    warehouse.with_name(warehouse.name + ".wal").write_bytes(b"left by a killed run")
    assert "`amkpi rebuild`" in failed(amkpi(tmp_path, "load"), 1)
    assert "1 delivery loaded again" in amkpi(tmp_path, "rebuild").stdout
    assert "nothing new in landing" in amkpi(tmp_path, "load").stdout


def test_a_mapping_is_checked_and_begun_from_a_file_of_any_format(tmp_path: Path) -> None:
    native = tmp_path / "deals.json"
    native.write_text('[{"Client ID": "C1", "Client Name": "Trà Xanh"}]', encoding="utf-8")
    drafted = amkpi(tmp_path, "sources", "draft", str(native), "--extract", "clients")
    assert "extract: clients" in drafted.stdout
    assert 'file: "*deals*.json"' in drafted.stdout
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "deals.yml").write_text(drafted.stdout, encoding="utf-8")
    checked = amkpi(tmp_path, "sources", "check", str(native), "--home", str(tmp_path))
    assert "deals → clients: 1 row, 1 different client_id" in checked.stdout, checked.stderr
    assert "no row breaks a rule" in checked.stdout


def test_a_check_finds_the_shipped_mapping_by_the_folder_of_the_file(tmp_path: Path) -> None:
    export = tmp_path / "hubspot" / "companies.csv"
    export.parent.mkdir()
    export.write_text("Record ID,Company name\n501,Hoa Mai\n", encoding="utf-8")
    assert "hubspot_companies → clients: 1 row" in amkpi(tmp_path, "sources", "check", str(export)).stdout
    elsewhere = export.rename(tmp_path / "companies.csv")
    assert "no mapping takes companies.csv" in failed(amkpi(tmp_path, "sources", "check", str(elsewhere)), 1)
