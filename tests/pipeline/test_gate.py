"""The gate as a whole: every blocking fault stops the publication with exit code 3, and readers keep the last one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from amkpi.core.errors import AuditBlocked
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.pipeline import steps
from tests.expectations.audits import AS_OF, LOADED_AT
from tests.expectations.conftest import AGENCY, make_changeable, settings_of
from tests.expectations.marts.faults import FAULTS
from tests.expectations.raw.faults import BLOCKING_FAULTS

# With the tests of the expectations: Great Expectations takes 6 s to import.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("expectations")]


def gate_cases() -> Iterator[object]:
    """Every fault: the first of each expectation here, the others in `make fuzz`.

    That each of them is a blocking finding is checked in tests/expectations.
    """
    expectations = set()
    for fault in (*FAULTS, *BLOCKING_FAULTS):
        yield pytest.param(*fault, marks=[pytest.mark.long] if fault[0] in expectations else [])
        expectations.add(fault[0])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small agency with a publication of the day before, and a build of the day that is to be audited."""
    home = Home.at(tmp_path_factory.mktemp("gate") / "home")
    home.make()
    shutil.copytree(AGENCY, home.landing, dirs_exist_ok=True)
    run = Run(home, settings_of(home.root), AS_OF - timedelta(days=1), lambda: LOADED_AT)
    steps.load(run)
    steps.build(run)
    steps.audit(run)
    steps.publish(run)
    today = replace(run, as_of=AS_OF)
    steps.build(today)
    return today


@pytest.fixture
def built(published: Run) -> Iterator[Run]:
    """The run with a build that was not audited; the warehouse is restored after each test."""
    copy = published.home.warehouse.with_suffix(".copy")
    shutil.copy(published.home.warehouse, copy)
    yield published
    shutil.move(copy, published.home.warehouse)


@pytest.mark.parametrize(("expectation", "observed", "statements"), gate_cases())
def test_a_fault_blocks_with_exit_code_3_and_the_publication_stays(
    built: Run, expectation: str, observed: str | None, statements: list[str]
) -> None:
    before = _what_readers_see(built.home.current)
    with duckdb.connect(str(built.home.warehouse)) as connection:
        make_changeable(connection)
        for statement in statements:
            connection.execute(statement)
    with pytest.raises(AuditBlocked) as blocked:
        steps.audit(built)
    assert blocked.value.exit_code == 3
    assert expectation in str(blocked.value)
    with pytest.raises(AuditBlocked):
        steps.publish(built)
    assert _what_readers_see(built.home.current) == before


def test_without_a_fault_the_same_build_is_published(built: Run) -> None:
    steps.audit(built)
    assert steps.publish(built).is_new
    assert _what_readers_see(built.home.current)[1] == AS_OF


def _what_readers_see(link: Path) -> tuple[str, date]:
    with duckdb.connect(str(link.resolve()), read_only=True) as connection:
        identity, as_of = connection.execute("select publication_id, as_of from marts.publication").fetchall()[0]
        return identity, as_of
