"""What the tests of the pages share: a small random agency, built and published once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from amkpi.core.home import Home
from amkpi.core.language.periods import Period
from amkpi.core.publication_id import current_file
from amkpi.core.run import Run
from amkpi.core.settings import Settings
from amkpi.pages.site import Site, open_site
from tests.changed_settings import changed
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency
from tests.pages.reading import Marts

FOLDER = Path(__file__).parent
SEED = 11
# Two people whose ids could be taken for folders, for other file names, or for each other.
ODD_IDS = {b"A03": "A/03 Đ.ổ".encode(), b"A04": b"a05"}
ANALYST = "CEO"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever needs the agency is slow: dbt builds it."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and "run" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The agency; its CEO is an analyst, who reads everything."""
    agency = Agency.at(tmp_path_factory.mktemp("pages") / "home")
    for files in random_agency(SEED, as_of=AS_OF, size="tiny"):
        agency.load({name: _odd(content) for name, content in files.items()})
    agency.build()
    agency.publish_unaudited()
    settings = changed(agency.run.settings, pages_analysts=(ANALYST,))
    return replace(agency.run, settings=settings)


def copy_with_addresses(run: Run, root: Path) -> Home:
    """A home with the publication alone, in which everybody has a mail address of his own."""
    home = Home.at(root)
    shutil.copytree(run.home.published, home.published, symlinks=True)
    file = current_file(home)
    assert file is not None
    file.chmod(0o600)
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "update marts.dim_staff set email = 'reader' || rowid || '@agency.example', is_active = true"
        )
    return home


def _odd(content: bytes) -> bytes:
    for identity, odd in ODD_IDS.items():
        content = content.replace(identity, odd)
    return content


@pytest.fixture(scope="package")
def settings(run: Run) -> Settings:
    return run.settings


@pytest.fixture(scope="package")
def file(run: Run) -> Path:
    found = current_file(run.home)
    assert found is not None
    return found


@pytest.fixture(scope="package")
def marts(file: Path) -> Iterator[Marts]:
    with Marts.opened(file) as found:
        yield found


def some_periods(period: Period) -> bool:
    """A running and two past periods, so that a site stays small."""
    month = Period.holding("month", AS_OF)
    return period in {month, month.before(), Period.holding("quarter", month.before().start)}


@pytest.fixture(scope="package")
def site(file: Path, settings: Settings) -> Site:
    return open_site(file, settings, some_periods)
