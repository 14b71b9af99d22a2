"""Thousands of files in LANDING at once: each is loaded once, and one build takes them all."""

from __future__ import annotations

import resource

import pytest

from amkpi.ingestion import landing
from amkpi.ingestion.unprocessed import Unprocessed
from amkpi.interfaces.airflow.landing_poller import LandingPoller
from tests.conftest import Agency

# Two files in three are new; the third has the bytes of the one before it.
NEW, ALL = 2, 3
MOST_BYTES = 300_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "count",
    [
        30,
        # 3,000 took 110 s of CPU, 37 ms a file (28 ms of 400 files), and 242 MB.
        pytest.param(3000, marks=pytest.mark.long),
    ],
)
def test_each_of_many_files_is_loaded_once_and_one_build_takes_them_all(agency: Agency, count: int) -> None:
    files = {
        f"clients/c{number:05}.csv": f"client_id,client_name\nC{number - (number % ALL == NEW)},Tên\n"
        for number in range(count)
    }
    new = count * NEW // ALL
    agency.deliver(files)
    poller = LandingPoller(settle_seconds=0)
    now = agency.moment.timestamp()
    assert poller.poll(landing.waiting(agency.home.landing), now) == count, "one event for all"
    assert poller.poll(landing.waiting(agency.home.landing), now + 1) == 0
    before = _peak()

    report = agency.load()

    assert (report.count("loaded"), report.count("duplicate"), report.count("rejected")) == (new, count - new, 0)
    assert {each.file_name for each in report.deliveries} == files.keys()
    assert report.unprocessed == {"contract": Unprocessed(new, new, {"clients": new})}, "one family: one build"
    assert landing.waiting(agency.home.landing) == []
    assert agency.rows("select count(*), count(distinct client_id) from raw.clients") == [(new, new)]
    assert agency.rows("select count(*), count(*) filter (settled) from raw.ledger") == [(count, count)]
    assert sum(1 for path in agency.home.archive.rglob("*.csv")) == new
    assert agency.load().run is None
    assert _peak() - before < MOST_BYTES


def _peak() -> int:
    """The most bytes that this process has had in memory; tests before this one count too."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
