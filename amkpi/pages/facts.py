"""What pages read of a publication once: who has a scorecard in which periods, the people, and the clients."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

import duckdb

from amkpi.access.clients import read_credited
from amkpi.access.names import Names
from amkpi.core.language.periods import GRAINS, Period
from amkpi.core.run import Run
from amkpi.core.settings import Settings
from amkpi.explain.explainer import OF_LINES, OF_VALUES, Explainer, read_explainer
from amkpi.publishing.columns import Columns, Rows, read_rows
from amkpi.scorecards.evidence_records import Evidence
from amkpi.scorecards.facts import CommonFacts, Facts, Publication, ScopeMember, read_common_facts, read_facts

V = TypeVar("V")

# Of the charts.
PERIODS_SHOWN = 12


@dataclass(frozen=True)
class Client:
    """A row of dim_client."""

    client_id: str
    name: str
    manager_id: str | None
    industry: str | None
    is_active: bool | None


@dataclass(frozen=True)
class Index:
    """What a publication has.

    members: the periods in which each has a scorecard, as (grain, first day). credited: by client, who has the credit
    for a record of it. whole_clients: those of whom
    every record may be read.
    """

    publication: Publication
    names: Names
    members: Mapping[ScopeMember, Container[tuple[str, date]]]
    clients: Mapping[str, Client]
    credited: Mapping[str, Collection[str | None]]
    whole_clients: Collection[str]
    periods: tuple[Period, ...]

    def has(self, member: ScopeMember, period: Period) -> bool:
        """Whether the member has a scorecard of the period."""
        return (period.grain, period.start) in self.members.get(member, ())


@dataclass(frozen=True)
class MeasureValue:
    """A row of supporting_measures. numerator: None for a median. denominator: None for sums and counts."""

    value: float | None
    numerator: float | None
    denominator: float | None


@dataclass(frozen=True)
class Interval:
    """The 95% Wilson interval of a row of kpi_values; None where the KPI has none."""

    low: float | None
    high: float | None


_MEASURE = ("value", "numerator", "denominator")


@dataclass(frozen=True)
class PeriodFacts:
    """The facts of a period.

    intervals: the 95% Wilson interval of each member and KPI. measures: the supporting measures of each member by name.
    """

    facts: Facts
    intervals: Mapping[tuple[ScopeMember, str], Interval]
    measures: Mapping[tuple[ScopeMember, str], MeasureValue]


@dataclass(frozen=True)
class PagesFacts:
    """What the pages of every period share."""

    index: Index
    common: CommonFacts
    explainer: Explainer
    intervals: Columns[Interval]
    measures: Columns[MeasureValue]


class _OfPeriod(Mapping[tuple[ScopeMember, str], V]):
    """The rows of one period by member and thing."""

    def __init__(self, columns: Columns[V], period: Period) -> None:
        self._columns, self._period = columns, (period.grain, period.start)

    def __getitem__(self, key: tuple[ScopeMember, str]) -> V:
        member, thing = key
        found = self._columns.get((member.scope, member.staff_id), thing, self._period)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[tuple[ScopeMember, str]]:
        for member, thing, period in self._columns:
            if period == self._period:
                yield ScopeMember(*member), thing

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_pages_facts(connection: duckdb.DuckDBPyConnection, settings: Settings) -> PagesFacts:
    """Read what the pages of every period of an open publication share."""
    common = read_common_facts(connection, settings, of_values=OF_VALUES, of_lines=OF_LINES)
    values, lines = common.values.rows, common.lines.rows
    measures = read_rows(connection, common.numbers, "supporting_measures", _MEASURE, "measure")
    return PagesFacts(
        index=_read_index(connection, common),
        common=common,
        explainer=read_explainer(connection, common.numbers, values, lines),
        intervals=Columns(values, Interval, slice(-len(OF_VALUES), None)),
        measures=Columns(measures, MeasureValue),
    )


def read_period(
    connection: duckdb.DuckDBPyConnection, period: Period, run: Run, shared: PagesFacts, records: Evidence
) -> PeriodFacts:
    """Read a period of an open publication. run: says where its closing files are. Raises ClosingsBroken."""
    return PeriodFacts(
        read_facts(connection, period, run, shared.common, records),
        _OfPeriod(shared.intervals, period),
        _OfPeriod(shared.measures, period),
    )


class _PeriodsOf(Container[tuple[str, date]]):
    """The periods in which a member has a scorecard."""

    def __init__(self, rows: Rows, member: tuple[str, str | None]) -> None:
        self._rows, self._member = rows, member

    def __contains__(self, period: object) -> bool:
        place = self._rows.place(self._member, "", period)  # type: ignore[arg-type]
        return place is not None and self._rows.has(place)


def _read_index(connection: duckdb.DuckDBPyConnection, common: CommonFacts) -> Index:
    periods = connection.execute("select distinct period_grain, period_start, period_end from scorecards").fetchall()
    clients = {
        row[0]: Client(*row)
        for row in connection.execute(
            "select client_id, coalesce(client_name, client_id), manager_id, industry, is_active from dim_client"
        ).fetchall()
    }
    return Index(
        publication=common.publication,
        names=common.today,
        members={ScopeMember(*key): _PeriodsOf(common.scores.rows, key) for key in common.numbers.members},
        clients=clients,
        credited=read_credited(connection),
        whole_clients=frozenset(clients),
        periods=tuple(Period(*each) for each in sorted(periods, key=lambda each: (GRAINS.index(each[0]), each[1]))),
    )
