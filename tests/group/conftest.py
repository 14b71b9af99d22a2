"""A group of three tiny agencies, built once: two currencies, two regions, and one agency without a publication."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.agencies import Agencies, read_agencies
from amkpi.group.build.build import GroupReport, build
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency

MOMENT = datetime(2026, 10, 20, 1, 0, tzinfo=UTC)
# Code, region, currency, date, seed of the random agency.
PUBLISHED = (("hanoi", "North", "VND", AS_OF, 11), ("boston", "South", "USD", date(2026, 9, 30), 13))
AGENCIES = """[group]
name = "Sao Mai Group"
reporting_currency = "VND"
most_days_behind = 31
leadership = [{address = "Trần Minh <minh@saomai.vn>"}, {address = "an@saomai.vn", language = "en"}]
"""
# Another rate each month: a cancellation has not the rate of its signing.
RATES = "currency,rate_date,rate\n" + "".join(
    f"USD,{year}-{month:02}-01,{23000 + 12.5 * (12 * (year - 2020) + month)}\n"
    for year in range(2020, 2027)
    for month in range(1, 13)
)
TARGETS = """level,code,kpi,period_grain,valid_from,target,weight
group,,client_revenue,,2024-01-01,1000000,40
group,,client_satisfaction,,2024-01-01,0.8,20
group,,cost_to_budget_ratio,quarter,2024-01-01,0.9,10
region,North,on_time_delivery_rate,,2024-01-01,0.5,10
"""


@dataclass
class Group:
    """A group in a folder of its own."""

    root: Path
    report: GroupReport | None = None

    @property
    def agencies(self) -> Agencies:
        return read_agencies(self.root / "agencies.toml")

    @property
    def current(self) -> Path:
        return self.root / "group" / "published" / "group.duckdb"

    def build(self) -> GroupReport:
        self.report = build(self.agencies, now=lambda: MOMENT)
        return self.report

    def write(self, codes: dict[str, str]) -> None:
        """agencies.toml with these agencies: code -> region."""
        entries = (
            f'\n[[agencies]]\ncode = "{code}"\nname = "{code.title()} <Ltd>"\nregion = "{region}"\nhome = "{code}"\n'
            for code, region in codes.items()
        )
        (self.root / "agencies.toml").write_text(AGENCIES + "".join(entries))

    def copy(self, root: Path) -> Group:
        """The same group in another folder."""
        shutil.copytree(self.root, root, symlinks=True)
        return Group(root)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What a query on the current publication gives."""
        return rows_of(self.current, sql)


def rows_of(publication: Path, sql: str) -> list[dict[str, Any]]:
    """What a query on the marts of a published file gives."""
    with duckdb.connect(str(publication.resolve()), read_only=True) as connection:
        connection.execute("use marts")
        result = connection.execute(sql)
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def files_of(code: str) -> list[dict[str, bytes]]:
    """The deliveries of an agency."""
    return next(random_agency(seed, as_of=day, size="tiny") for name, _, _, day, seed in PUBLISHED if name == code)


@pytest.fixture(scope="session")
def published_agencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a group whose agencies have published; the group itself is not built."""
    root = tmp_path_factory.mktemp("group") / "unbuilt"
    group = Group(root)
    for code, _, currency, day, _ in PUBLISHED:
        agency = Agency.at(root / code, day)
        agency.set(reporting_currency=currency)
        for files in files_of(code):
            agency.load(files)
        agency.build()
        agency.publish_unaudited()
        # The build of the group reads nothing but the publication.
        shutil.rmtree(agency.home.warehouse.parent)
        shutil.rmtree(agency.home.archive)
    (root / "saigon").mkdir()
    group.write({**{code: region for code, region, *_ in PUBLISHED}, "saigon": "South"})
    (root / "fx_rates.csv").write_text(RATES)
    (root / "group_targets.csv").write_text(TARGETS)
    return root


@pytest.fixture(scope="session")
def group(published_agencies: Path, tmp_path_factory: pytest.TempPathFactory) -> Group:
    """The group, built. Tests must not change it."""
    built = Group(published_agencies).copy(tmp_path_factory.mktemp("group") / "built")
    built.build()
    return built


@pytest.fixture
def make_group(group: Group, tmp_path: Path) -> Callable[[], Group]:
    """Makes a copy of the built group that a test may change."""
    return lambda: group.copy(tmp_path / "group")
