"""What the DAGs ring for: by family, what no build has taken up yet, whatever became of the load that brought it."""

from __future__ import annotations

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.ingestion.unprocessed import Unprocessed, mark_processed
from amkpi.pipeline import steps
from tests.conftest import Agency

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
