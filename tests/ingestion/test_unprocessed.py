"""What the DAGs ring for: by family, what no build has taken up yet, whatever became of the load that brought it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.ingestion.unprocessed import Unprocessed, mark_processed
from amkpi.pipeline import steps
from amkpi.transform.dbt_runner import BuildReport
from tests.conftest import AS_OF, Agency

CLIENTS = "client_id,client_name\nC1,Một\nC2,Hai\n"
RATES = "currency,rate_date,rate\nUSD,2026-01-01,25000\n"


def test_a_load_tells_rows_and_files_of_each_family_that_got_some(agency: Agency) -> None:
    report = agency.load({"clients/a.csv": CLIENTS, "clients/b.csv": CLIENTS + "C3,Ba\n", "fx_rates/r.csv": RATES})
    assert report.unprocessed == {
        "contract": Unprocessed(2, 5, {"clients": 5}),
        "reference": Unprocessed(1, 1, {"fx_rates": 1}),
    }


def test_duplicates_rejects_and_files_without_rows_are_nothing_new(agency: Agency) -> None:
    agency.load({"clients/a.csv": CLIENTS})
    with agency.warehouse() as connection:
        mark_processed(connection)
    report = agency.load({"clients/same.csv": CLIENTS, "clients/bad.csv": "x\n1\n", "fx_rates/r.csv": RATES[:24]})
    assert sorted(delivery.status for delivery in report.deliveries) == ["duplicate", "loaded", "rejected"]
    assert report.unprocessed == {}


def test_the_next_load_reports_the_rows_of_a_killed_one(agency: Agency) -> None:
    agency.load({"clients/a.csv": CLIENTS})  # and nobody heard of it
    assert agency.load().unprocessed == {"contract": Unprocessed(1, 2, {"clients": 2})}
    assert agency.load({"fx_rates/r.csv": RATES}).unprocessed.keys() == {"contract", "reference"}


@pytest.mark.slow
def test_a_build_takes_up_what_is_loaded_even_when_it_has_nothing_to_do(agency: Agency) -> None:
    agency.load({"clients/a.csv": CLIENTS})
    agency.build()
    assert agency.load().unprocessed == {}
    agency.publish_unaudited()
    steps.rebuild(agency.run)
    assert agency.load().unprocessed.keys() == {"contract"}
    agency.build()  # the same publication is current
    assert agency.load().unprocessed == {}


def test_a_build_that_fails_is_not_rung_for_again_until_more_comes(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise AmkpiError("the disk is full")

    agency.load({"clients/a.csv": CLIENTS})
    monkeypatch.setattr("amkpi.transform.dbt_runner.build", fails)
    with pytest.raises(AmkpiError, match="the disk is full"):
        agency.build()
    assert agency.load().unprocessed == {}
    assert agency.load({"fx_rates/r.csv": RATES}).unprocessed.keys() == {"reference"}


@pytest.mark.parametrize(
    ("day", "seen", "still_unprocessed"),
    [
        (AS_OF, AS_OF + timedelta(days=14), False),  # the night's run, while readers see a later date
        (AS_OF - timedelta(days=17), AS_OF, True),  # a past date: the run of today has yet to take the rows
        (AS_OF, AS_OF, True),  # somebody wants today's as a file of its own
    ],
)
def test_a_build_beside_takes_up_rows_only_where_no_other_of_today_would(
    agency: Agency, monkeypatch: pytest.MonkeyPatch, day: date, seen: date, still_unprocessed: bool
) -> None:
    """Else every sweep would start the same build again, until readers see today."""
    monkeypatch.setattr("amkpi.publishing.publications.current_as_of", lambda home: seen)
    monkeypatch.setattr("amkpi.transform.dbt_runner.build", lambda *given: BuildReport("a", 0, 0, is_new=False))
    agency.load({"clients/a.csv": CLIENTS})
    agency.moment = datetime(2026, 10, 17, 1, 0, tzinfo=UTC)
    steps.build(replace(agency.run, as_of=day, historical=True))
    assert bool(agency.load().unprocessed) is still_unprocessed


def test_a_current_publication_that_cannot_be_opened_holds_back_only_dates_before_today(agency: Agency) -> None:
    (agency.home.published / "kpi_a.duckdb").write_text("no database")
    agency.home.current.symlink_to("kpi_a.duckdb")
    agency.moment = datetime(2026, 10, 17, 1, 0, tzinfo=UTC)
    assert not steps.is_past(agency.run)
    assert steps.is_past(replace(agency.run, as_of=AS_OF - timedelta(days=1)))
