"""An agency whose publication is there to be closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.publication_id import current_file
from amkpi.core.run import Run
from amkpi.core.storage.warehouse import connect
from amkpi.pipeline import closing, steps
from amkpi.pipeline.closing import ClosingReport
from amkpi.publishing.closing.acts import Request
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency

SEED = 7


@dataclass
class Closable(Agency):
    """An agency that is published without the audit, which is tested elsewhere."""

    def publish(self, files: Mapping[str, str | bytes] | None = None, as_of: date | None = None) -> Path:
        """Load, build and publish; returns the publication's file."""
        if files:
            self.load(files)
        if as_of is not None:
            self.run = replace(self.run, as_of=as_of)
        steps.build(self.run)
        pass_audit(self.run)
        return steps.publish(self.run).file

    def copied(self, root: Path) -> Closable:
        """The same agency in another home."""
        copy = self.copy(root)
        return Closable._of(copy.run, copy.moment)

    @classmethod
    def _of(cls, run: Run, moment: datetime) -> Closable:
        agency = cls(run, moment)
        agency.run = replace(run, now=lambda: agency.moment)
        return agency

    def close(self, period: str, by: str = "An", **options: Any) -> ClosingReport:
        return closing.close(self.run, Request(period, by, **options))

    def reopen(self, period: str, note: str = "a mistake") -> ClosingReport:
        return closing.reopen(self.run, period, "An", note)

    def published(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query on the current publication gives."""
        with duckdb.connect(str(current_file(self.home)), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def pass_audit(run: Run, *_: object) -> None:
    """In the place of `steps.audit`."""
    with connect(run.home, run.settings) as connection:
        connection.execute("update audit.build set passed = true")


@pytest.fixture(autouse=True)
def _no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "audit", pass_audit)


@pytest.fixture(scope="session")
def delivered() -> list[dict[str, bytes]]:
    """The files of the agency."""
    return random_agency(SEED, as_of=AS_OF, size="tiny")


@pytest.fixture(scope="session")
def first_publication(tmp_path_factory: pytest.TempPathFactory, delivered: list[dict[str, bytes]]) -> Closable:
    """The agency with one publication; to be copied, not to be used."""
    agency = Closable.at(tmp_path_factory.mktemp("closing") / "home")
    for files in delivered:
        agency.load(files)
    agency.publish()
    return agency


@pytest.fixture
def make_published(first_publication: Closable, tmp_path: Path) -> Callable[..., Closable]:
    """Copies of that agency: `make_published(name="a")`."""

    def make(name: str = "home") -> Closable:
        return first_publication.copied(tmp_path / name)

    return make


@pytest.fixture
def published(make_published: Callable[..., Closable]) -> Closable:
    """One such copy."""
    return make_published()
