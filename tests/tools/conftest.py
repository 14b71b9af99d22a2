"""One published agency for every example of docs/analysts.md: the one that its reader makes by the commands there."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.sample_agency import write_sample
from tests.conftest import AS_OF, Agency

# An unknown reference and a day that does not exist: the page has a question about rows in quarantine.
SPOILED = """contract_id,client_id,kind,signed_date,start_date,end_date,amount,currency
X-1,NOBODY,renewal,2026-09-01,2026-09-01,2027-08-31,1000,VND
X-2,KH001,renewal,2026-09-31,2026-09-01,2027-08-31,1000,VND
"""


@pytest.fixture(scope="session")
def published_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the sample agency, published."""
    home = Home.at(tmp_path_factory.mktemp("analysts") / "demo")
    home.make()
    write_sample(home.landing, seed=7, months=18, scale=0.2, as_of=date(2026, 9, 30))
    agency = Agency(Run(home, load_settings(home, {"AMKPI_SETTLE_SECONDS": "0"}), AS_OF))
    agency.run = replace(agency.run, now=lambda: agency.moment)
    agency.load({"contracts/spoiled.csv": SPOILED})
    agency.build()
    agency.publish_unaudited()
    return home.root
