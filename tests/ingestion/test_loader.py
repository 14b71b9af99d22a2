"""Each file that lands is loaded, recognised as a duplicate, or rejected with a reason, exactly once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.ingestion import delivery_log
from amkpi.ingestion.archive import archived
from amkpi.ingestion.loader import LoadReport
from amkpi.pipeline import steps
from tests.conftest import Agency
from tests.paths import ROOT

CLIENTS = "client_id,client_name\nC1,One\n"


def statuses(report: LoadReport) -> dict[str, str]:
    return {delivery.file_name: delivery.status for delivery in report.deliveries}


def reason(report: LoadReport) -> str:
    (delivery,) = report.deliveries
    assert delivery.status == "rejected"
    assert delivery.rows_read == 0
    return delivery.reason or ""


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def everything(agency: Agency) -> dict[str, Any]:
    """What a load leaves behind, whatever happened on the way."""
    return {
        "ledger": agency.rows(
            "select delivery, file_name, extract, status, rows_read, settled from raw.ledger order by 1"
        ),
        "raw": agency.rows("select client_id, client_name, _line, _delivery from raw.clients order by all"),
        "parsed": agency.rows("select client_id, _line, _delivery, _reason from parsed.clients order by all"),
        "delivery log": [(d.delivery, d.file_name, d.status) for d in delivery_log.read(agency.home.state)],
        "landing": sorted(files_below(agency.home.landing)),
        "archive": sorted(files_below(agency.home.archive)),
        "rejected": sorted(files_below(agency.home.rejected)),
    }


def test_a_loaded_file_moves_to_the_archive_under_its_content(agency: Agency) -> None:
    report = agency.load({"clients/a.csv": CLIENTS})
    assert statuses(report) == {"clients/a.csv": "loaded"}
    assert report.rows_read == 1
    digest = hashlib.sha256(CLIENTS.encode()).hexdigest()
    assert archived(agency.home, digest, "clients/a.csv").read_text() == CLIENTS
    assert files_below(agency.home.landing) == {}
    assert agency.rows(
        "select client_id, client_name, industry, file_name, _line, sha256, loaded_at"
        " from raw.clients inner join raw.ledger on _delivery = delivery"
    ) == [("C1", "One", None, "clients/a.csv", 2, digest, agency.moment)]


def test_nothing_in_landing_is_no_run(agency: Agency) -> None:
    report = agency.load()
    assert report.run is None
    assert report.deliveries == ()


def test_the_same_bytes_under_another_name_load_nothing(agency: Agency) -> None:
    agency.load({"clients/a.csv": CLIENTS})
    report = agency.load({"clients/b.csv": CLIENTS, "clients/sub/c.csv": CLIENTS})
    assert statuses(report) == {"clients/b.csv": "duplicate", "clients/sub/c.csv": "duplicate"}
    assert report.rows_read == 0
    assert agency.rows("select count(*) from raw.clients") == [(1,)]
    assert files_below(agency.home.landing) == {}


def test_the_same_bytes_twice_in_one_run_load_once(agency: Agency) -> None:
    assert statuses(agency.load({"clients/b.csv": CLIENTS, "clients/a.csv": CLIENTS})) == {
        "clients/a.csv": "loaded",
        "clients/b.csv": "duplicate",
    }


def test_the_same_bytes_for_another_extract_are_no_duplicate(agency: Agency) -> None:
    both = "client_id,client_name,project_id,cost_id,cost_date,amount,currency\nC1,One,P1,K1,2026-01-01,1,VND\n"
    assert statuses(agency.load({"clients/a.csv": both, "project_costs/a.csv": both})) == {
        "clients/a.csv": "loaded",
        "project_costs/a.csv": "loaded",
    }


def test_a_rejected_file_is_not_remembered(agency: Agency) -> None:
    for number in (1, 2):
        report = agency.load({"clients/a.csv": "client_id\nC1\n"})
        assert "required column missing: client_name" in reason(report)
        assert len(files_below(agency.home.rejected)) == 2 * number
    assert {name for name in files_below(agency.home.rejected) if name.endswith(".csv")} == {
        "clients/a.csv",
        "clients/a.2.csv",
    }


def test_a_rejected_file_is_next_to_its_reason(agency: Agency) -> None:
    agency.load({"clients/a.csv": "client_id\nC1\n"})
    files = files_below(agency.home.rejected)
    assert files["clients/a.csv"] == b"client_id\nC1\n"
    said = json.loads(files["clients/a.csv.reason.json"])
    assert said["file"] == "clients/a.csv"
    assert said["reasons"][0]["reason"].startswith("required column missing: client_name; the file has: client_id")
    assert files_below(agency.home.archive) == {}


@pytest.mark.parametrize("name", ["nothing/a.csv", "a.csv", "Clients/a.csv", "client/a.csv"])
def test_a_file_that_nothing_takes_is_rejected(agency: Agency, name: str) -> None:
    assert "nothing takes this file" in reason(agency.load({name: CLIENTS}))


@pytest.mark.parametrize(
    "name", [".a.csv", "_a.csv", "a.csv.part", "a.csv.TMP", "a.filepart", "a.csv.crdownload", "sub/_a.csv"]
)
def test_a_file_that_is_being_written_by_its_name_is_left_alone(agency: Agency, name: str) -> None:
    assert agency.load({f"clients/{name}": CLIENTS}).run is None
    assert list(files_below(agency.home.landing)) == [f"clients/{name}"]


def test_a_folder_whose_name_begins_with_a_dot_hides_nothing(agency: Agency) -> None:
    assert agency.load({"clients/_old/a.csv": CLIENTS}).count("loaded") == 1


def test_a_file_that_still_grows_is_left_for_the_next_run(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    agency.set(settle_seconds=2.0)
    agency.deliver({"clients/a.csv": CLIENTS, "clients/b.csv": CLIENTS + "C2,Two\n"})

    def somebody_writes(seconds: float) -> None:
        assert 1 < seconds <= 2
        with (agency.home.landing / "clients/a.csv").open("a") as file:
            file.write("C3,Three\n")

    monkeypatch.setattr("amkpi.ingestion.landing.time.sleep", somebody_writes)
    assert statuses(agency.load()) == {"clients/b.csv": "loaded"}
    agency.set(settle_seconds=0.0)
    assert statuses(agency.load()) == {"clients/a.csv": "loaded"}


def test_a_column_named_twice_rejects_the_file(agency: Agency) -> None:
    said = reason(agency.load({"clients/a.csv": "client_id,client_name,Client-ID\nC1,One,C2\n"}))
    assert "Client-ID" in said
    assert "twice" in said


def test_an_unknown_column_twice_rejects_the_file_too(agency: Agency) -> None:
    assert "twice" in reason(agency.load({"clients/a.csv": "client_id,client_name,note,Note\nC1,One,x,y\n"}))


def test_optional_columns_may_be_absent_and_unknown_ones_are_kept(agency: Agency) -> None:
    agency.load({"clients/a.csv": "Note,CLIENT NAME,,client-id,\nn,One,p,C1,q\n"})
    (row,) = agency.rows("select client_id, client_name, industry, _extra from raw.clients")
    assert row[:3] == ("C1", "One", None)
    assert json.loads(row[3]) == {"Note": "n", "column 3": "p", "column 5": "q"}


@pytest.mark.parametrize("content", ["", "client_id,client_name\n"])
def test_a_file_without_rows_is_loaded(agency: Agency, content: str) -> None:
    report = agency.load({"clients/a.csv": content})
    assert [(d.status, d.rows_read) for d in report.deliveries] == [("loaded", 0)]


@pytest.mark.slow
def test_a_file_that_breaks_off_half_way_loads_nothing(agency: Agency) -> None:
    rows = "".join(f"C{i},x\n" for i in range(200_000))
    said = reason(agency.load({"clients/a.csv": "client_id,client_name\n" + rows + 'C1,"never closed\n'}))
    assert "line 200002" in said
    assert agency.rows("select count(*) from raw.clients") == [(0,)]
    assert agency.rows("select count(*) from parsed.clients") == [(0,)]


def test_the_order_of_files_is_that_of_their_paths(agency: Agency) -> None:
    report = agency.load({f"clients/{n}.csv": f"client_id,client_name\nC1,{n}\n" for n in ("b", "a/z", "B", "a")})
    assert [d.file_name for d in report.deliveries] == [
        "clients/B.csv",
        "clients/a.csv",
        "clients/a/z.csv",
        "clients/b.csv",
    ]
    assert [d.delivery for d in report.deliveries] == [1, 2, 3, 4]


def test_a_file_that_goes_away_is_no_delivery(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    from amkpi.ingestion import landing

    ready = landing.ready

    def then_gone(*args: Any) -> list[landing.LandingFile]:
        seen = ready(*args)
        (agency.home.landing / "clients/a.csv").unlink()
        return seen

    monkeypatch.setattr("amkpi.ingestion.landing.ready", then_gone)
    assert statuses(agency.load({"clients/a.csv": CLIENTS, "clients/b.csv": CLIENTS})) == {"clients/b.csv": "loaded"}
    assert [d.delivery for d in delivery_log.read(agency.home.state)] == [1]


def test_a_second_run_at_once_gets_the_process_of_the_first(agency: Agency) -> None:
    agency.deliver({"clients/a.csv": CLIENTS})
    # In another thread: who holds the lock may take it again.
    with agency.home.lock(), ThreadPoolExecutor(1) as other, pytest.raises(AmkpiError, match="another run holds"):
        other.submit(steps.load, agency.run).result()
    assert files_below(agency.home.landing) == {"clients/a.csv": CLIENTS.encode()}


@pytest.mark.slow
def test_another_process_is_kept_out_too(agency: Agency) -> None:
    agency.deliver({"clients/a.csv": CLIENTS})
    with agency.home.lock():
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "amkpi.interfaces.cli.main",
                "load",
                "--home",
                str(agency.home.root),
                "--as-of",
                "2026-10-17",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "another run holds" in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stderr


PEAK = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from amkpi.core.run import Run
from amkpi.pipeline import steps
report = steps.load(Run.prepare(Path(sys.argv[1]), as_of="2026-10-17"))
print(report.rows_read, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "quotes", [pytest.param(True, id="quoted"), pytest.param(False, id="plain", marks=pytest.mark.long)]
)
def test_memory_does_not_grow_with_the_rows_of_a_file(agency: Agency, quotes: bool) -> None:
    environment = {**os.environ, "AMKPI_MEMORY_LIMIT": "256MB", "AMKPI_SETTLE_SECONDS": "0"}
    peaks = []
    for rows in (300_000, 1_500_000):
        path = agency.home.landing / "project_costs" / f"{rows}.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w") as file:
            file.write("cost_id,project_id,cost_date,department,amount,currency\n")
            name = '"design, print"' if quotes else "design"
            file.writelines(f"COST-{n:09},PRJ-{n % 999:05},2026-01-02,{name},{n}.25,VND\n" for n in range(rows))
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(agency.home.root)],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=ROOT,
        )
        # The last line: DuckDB may show how far a long statement is.
        read, peak = map(int, done.stdout.split()[-2:])
        assert read == rows
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 150, "MB at 300,000 and 1,500,000 rows"
