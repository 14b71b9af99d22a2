"""Which rows are held back and why, and which row of a key is current: small cases in `cases/`.

A case is a folder: `1/`, `2/`, … are the runs, each with an extract a file; `expect_quarantine.csv` and
`expect_current.csv` say what holds after a run (in its folder) or after the last (in the case's own). A row is named
by the run that delivered it and its line.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amkpi.ingestion.contracts.extracts import EXTRACTS, REASONS
from amkpi.ingestion.validation.row_checks import check_rows
from tests.conftest import Agency

pytestmark = pytest.mark.usefixtures("kept_open")
CASES = Path(__file__).parent / "cases"


def run_checks(agency: Agency, reporting_currency: str = "VND") -> bool:
    with agency.warehouse() as connection:
        return check_rows(connection, reporting_currency)


def quarantine(agency: Agency) -> list[tuple[str, ...]]:
    return sorted(
        (str(run), extract, str(line), reason, column or "", str(keeps).lower())
        for run, extract, line, reason, column, keeps in agency.rows(
            "select run, q.extract, _line, q.reason, column_name, keeps_older_row from validation.quarantine as q"
            " join raw.ledger on _delivery = delivery"
        )
    )


def current(agency: Agency) -> list[tuple[str, ...]]:
    of_extract = "select '{0}', run, _line from valid.{0} join raw.ledger on _delivery = delivery"
    rows = agency.rows(" union all ".join(map(of_extract.format, EXTRACTS)))
    return sorted((name, str(run), str(line)) for name, run, line in rows)


def expected(path: Path, columns: int) -> list[tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        return sorted(tuple(row[:columns]) for row in list(csv.reader(file))[1:])


def check(agency: Agency, folder: Path) -> None:
    if (folder / "expect_quarantine.csv").exists():
        assert quarantine(agency) == expected(folder / "expect_quarantine.csv", 6)
        assert current(agency) == expected(folder / "expect_current.csv", 3)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_case(agency: Agency, case: str) -> None:
    assert (CASES / case / "expect_quarantine.csv").exists()
    for run in sorted(path for path in (CASES / case).iterdir() if path.is_dir()):
        agency.load({f"{path.stem}/{run.name}.csv": path.read_bytes() for path in run.glob("[!e]*.csv")})
        run_checks(agency)
        check(agency, run)
    check(agency, CASES / case)


def test_every_reason_has_a_case() -> None:
    shown = {row[3] for path in CASES.glob("**/expect_quarantine.csv") for row in expected(path, 6)}
    assert shown == set(REASONS)


def test_a_clock_ahead_counts_as_the_moment_of_the_load_and_is_flagged(agency: Agency) -> None:
    agency.load({"clients/1.csv": "client_id,client_name,updated_at\nC1,a,2999-01-01\nC2,a,2026-10-20T00:59:00Z\n"})
    run_checks(agency)
    moment = agency.moment
    assert agency.rows("select client_id, _updated_at, _from_future from valid.clients join parsed.clients"
                       " using (client_id) order by 1") == [
        ("C1", moment, True),
        ("C2", datetime(2026, 10, 20, 0, 59, tzinfo=UTC), False),
    ]  # fmt: skip
    # One bad clock does not lock the key: a row of the next day wins.
    agency.load({"clients/2.csv": "client_id,client_name,updated_at\nC1,b,2026-10-20T02:00:00Z\n"})
    run_checks(agency)
    assert agency.rows("select client_name from valid.clients where client_id = 'C1'") == [("b",)]


def test_a_moment_without_an_offset_is_the_agencys(agency: Agency) -> None:
    agency.load({"clients/1.csv": "client_id,client_name,updated_at\nC1,a,2026-05-01\n"})
    assert agency.rows("select updated_at from parsed.clients") == [(datetime(2026, 4, 30, 17, tzinfo=UTC),)]


def test_the_reporting_currency_needs_no_rate_and_a_change_of_it_checks_again(agency: Agency) -> None:
    agency.load({"project_costs/1.csv": "cost_id,project_id,cost_date,amount,currency\nK,P,2026-01-01,1,VND\n"})
    assert run_checks(agency)
    assert quarantine(agency) == []
    assert not run_checks(agency), "the same deliveries and rules are checked once"
    assert run_checks(agency, "USD")
    assert quarantine(agency) == [("1", "project_costs", "2", "missing_fx_rate", "currency", "false")]


def test_quarantine_shows_the_row_as_it_came_without_what_is_private(agency: Agency) -> None:
    agency.load(
        {
            "clients/1.csv": 'client_id,client_name,Note\nC1, ,"a ""b"""\nC2,x\n',
            "client_surveys/1.csv": "response_id,client_id,sent_date,score,scale_min,scale_max,comment\n"
            "R1,C9,2026-01-01,9,1,5,secret\nR2,C9,2026-01-01,9,1,5,secret,more\n",
            "peer_reviews/1.csv": "review_id,account_manager_id,reviewer_id,reviewer_department,review_date,scale_min,"
            "scale_max\nV1,S1,S2,,2026-01-01,1,5\n",
        }
    )
    run_checks(agency)
    shown = {
        (extract, line): json.loads(row) if row else None
        for extract, line, row in agency.rows("select extract, _line, raw_row from validation.quarantine")
    }
    assert shown[("clients", 2)] == {"client_id": "C1", "client_name": " ", "Note": 'a "b"'}
    assert shown[("clients", 3)] == ["C2", "x"]
    assert shown[("client_surveys", 2)] is not None
    assert "secret" not in json.dumps([shown[("client_surveys", 2)], shown[("client_surveys", 3)]])
    assert shown[("peer_reviews", 2)] is None
