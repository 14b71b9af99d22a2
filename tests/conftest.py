"""What tests share: an agency in a temporary home, with a fixed clock."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest

from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.core.storage.migrations import home_layout
from amkpi.core.storage.warehouse import connect
from amkpi.ingestion.loader import LoadReport
from amkpi.ingestion.tables import create_tables
from amkpi.pipeline import steps
from amkpi.sample_agency import write_sample
from tests.changed_settings import changed

AS_OF = date(2026, 10, 17)
# Seconds of CPU that a test without the mark `slow` may use. `make quick` has thousands of them. CPU and not the clock:
# other processes do not change it.
MOST_CPU = 5.0
# As the Makefile does, for a test that is run without it: every process would compile what it imports, 3 to 8 s of CPU.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

CPU_BEFORE = pytest.StashKey[float]()
CPU_OF_SHARED_FIXTURES = pytest.StashKey[float]()


# Imports and a collection leave hardly any garbage. Looking for it takes a tenth of the time, then and in each test.
gc.disable()

# Folders whose files share what is built once in a session: one worker gets all of them. Other workers get files.
# Whoever takes longest begins first, so that no worker waits for it at the end.
TESTS = Path(__file__).parent
LONGEST = [
    TESTS / name
    for name in (
        "expectations", "publishing/closing", "dags", "transform/test_dbt_runner.py", "interfaces/test_demo.py",
        "pages/browser", "pages", "ingestion/test_faults.py", "pipeline/test_against_oracle.py",
        "dbt_project/test_models.py", "pipeline/test_formats_agree.py", "publishing/test_publications.py",
        "scorecards/test_mails.py", "scorecards/mail/test_delivery.py", "dbt_project/test_ninth_kpi.py",
        "group", "test_wheel.py", "scorecards/restatements/test_mart.py", "scorecards/test_sizes.py",
        "ingestion/test_loader.py",
    )
]  # fmt: skip
assert all(place.exists() for place in LONGEST), [place for place in LONGEST if not place.exists()]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    paths = {item.path for item in items}
    places = {path: next((place for place in LONGEST if path.is_relative_to(place)), path) for path in paths}
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(places[item.path].relative_to(TESTS))))
    ranks = {place: rank for rank, place in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(places[item.path], len(ranks)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.enable()
    gc.freeze()


def pytest_unconfigure() -> None:
    # DuckDB names at the end of a process what was not collected.
    gc.unfreeze()


def _cpu() -> float:
    """Seconds of CPU that this process and its ended children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[CPU_BEFORE] = _cpu()
    item.config.stash[CPU_OF_SHARED_FIXTURES] = 0.0


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Fixtures of a module or session are not counted for the test that happens to run first."""
    before = _cpu()
    try:
        return (yield)
    finally:
        if fixturedef.scope != "function":
            request.config.stash[CPU_OF_SHARED_FIXTURES] += _cpu() - before


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that passed, is not marked `slow`, and used more CPU than MOST_CPU, with its own fixtures."""
    report = yield
    if call.when == "call" and report.passed and item.get_closest_marker("slow") is None:
        used = _cpu() - item.stash[CPU_BEFORE] - item.config.stash[CPU_OF_SHARED_FIXTURES]
        if used > MOST_CPU:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: {used:.1f} s of CPU. Make it faster, or mark it `slow`."
    return report


@dataclass
class Agency:
    """A home that tests deliver to. Its clock stands still and moves a day with each load."""

    run: Run
    moment: datetime = field(default=datetime(2026, 10, 18, 1, 0, tzinfo=UTC))
    _open: duckdb.DuckDBPyConnection | None = field(default=None, init=False, repr=False)

    @classmethod
    def at(cls, root: Path, as_of: date = AS_OF) -> Agency:
        """An empty agency in a home of its own."""
        home = Home.at(root)
        home.make()
        # Nobody is writing in a test: no wait for files to settle. No machine's own AMKPI_* either.
        agency = cls(Run(home, load_settings(home, {"AMKPI_SETTLE_SECONDS": "0"}), as_of))
        agency.run = replace(agency.run, now=lambda: agency.moment)
        return agency

    def copy(self, root: Path) -> Agency:
        """The same agency in another home: what was built once serves many tests."""
        shutil.copytree(self.home.root, root, symlinks=True)
        copy = Agency(replace(self.run, home=Home.at(root)), self.moment)
        copy.run = replace(copy.run, now=lambda: copy.moment)
        return copy

    @property
    def home(self) -> Home:
        return self.run.home

    def deliver(self, files: Mapping[str, str | bytes]) -> None:
        """Put files into LANDING: path below it -> content."""
        for name, content in files.items():
            path = self.home.landing / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def load(self, files: Mapping[str, str | bytes] | None = None) -> LoadReport:
        """Deliver and load."""
        self.deliver(files or {})
        self.moment += timedelta(days=1)
        if not self.home.warehouse.exists():
            home_layout.bring_up_to_date(self.home, newest_warehouse=True)
            self.home.warehouse.write_bytes(_empty_warehouse())
        with self._kept_open():
            return steps.load(self.run)

    def build(self) -> None:
        """Judge and build, without audit."""
        with self._kept_open():
            steps.build(self.run)

    def nights(self, runs: Sequence[Mapping[str, str | bytes]]) -> Iterator[None]:
        """Load and build one run after the other, a day later each time; the last is of the agency's date."""
        last = self.run.as_of
        for number, files in enumerate(runs):
            self.load(files)
            self.run = replace(self.run, as_of=last - timedelta(days=len(runs) - 1 - number))
            self.build()
            yield

    def publish_unaudited(self) -> Path:
        """Publish the build as if its audit had passed: for tests of publishing alone."""
        with self.warehouse() as connection:
            connection.execute("update audit.build set passed = true")
        with self._kept_open():
            return steps.publish(self.run).file

    @contextmanager
    def _kept_open(self) -> Iterator[None]:
        """The private file stays open within: a step opens it up to ten times, and each takes 10 ms otherwise."""
        if not self.home.warehouse.exists():
            yield
            return
        with duckdb.connect(str(self.home.warehouse)):
            yield

    @contextmanager
    def warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The private file, open. Within, it is not opened again: that takes 30 ms."""
        if self._open is not None:
            yield self._open
            return
        with connect(self.home, self.run.settings) as self._open:
            try:
                yield self._open
            finally:
                self._open = None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query on the private file gives."""
        with self.warehouse() as connection:
            return connection.execute(sql).fetchall()

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table of the private file."""
        with self.warehouse() as connection:
            result = connection.execute(f"select * from {name}")
            names = [column[0] for column in result.description or []]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def set(self, **changes: Any) -> None:
        """Change settings, by their flat names."""
        self.run = replace(self.run, settings=changed(self.run.settings, **changes))


@cache
def _empty_warehouse() -> bytes:
    """The private file of an agency that has loaded nothing, with all its tables. To create them takes 40 ms."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "warehouse.duckdb"
        with duckdb.connect(str(file)) as connection:
            create_tables(connection)
        return file.read_bytes()


@pytest.fixture
def make_agency(tmp_path: Path) -> Callable[..., Agency]:
    """Makes agencies: `make_agency(name="a", as_of=...)`."""

    def make(name: str = "home", as_of: date = AS_OF) -> Agency:
        return Agency.at(tmp_path / name, as_of)

    return make


@pytest.fixture
def kept_open(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The warehouse of `agency` stays open during the test, so that opening it again takes 1 ms and not 30.

    For tests that do not open the file in another process. A rebuild replaces the file, and is seen.
    """
    with ExitStack() as stack:

        def open_it() -> int:
            stack.enter_context(duckdb.connect(str(agency.home.warehouse)))
            return agency.home.warehouse.stat().st_ino

        def rebuilt(*given: Any) -> int:
            nonlocal file
            stack.close()
            try:
                return rebuild(*given)
            finally:
                file = open_it()

        rebuild, file = steps.rebuild, open_it()
        monkeypatch.setattr(steps, "rebuild", rebuilt)
        yield
        assert agency.home.warehouse.stat().st_ino == file, "the test looked into a file that was replaced"


@pytest.fixture
def agency(make_agency: Callable[..., Agency]) -> Agency:
    """One empty agency as of 17/10/2026."""
    return make_agency()


# An unknown reference and a day that does not exist: the page has a question about rows in quarantine.
SPOILED = """contract_id,client_id,kind,signed_date,start_date,end_date,amount,currency
X-1,NOBODY,renewal,2026-09-01,2026-09-01,2027-08-31,1000,VND
X-2,KH001,renewal,2026-09-31,2026-09-01,2027-08-31,1000,VND
"""


@pytest.fixture(scope="session")
def published_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the sample agency that the commands of docs/analysts.md make, published."""
    agency = Agency.at(tmp_path_factory.mktemp("analysts") / "demo")
    write_sample(agency.home.landing, seed=7, months=18, scale=0.2, as_of=date(2026, 9, 30))
    agency.load({"contracts/spoiled.csv": SPOILED})
    agency.build()
    agency.publish_unaudited()
    return agency.home.root
