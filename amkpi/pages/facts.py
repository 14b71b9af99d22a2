"""What pages read of a publication once: who has a scorecard in which periods, the people, and the clients."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from amkpi.access.clients import read_credited
from amkpi.access.names import Names, read_names
from amkpi.core.language.periods import GRAINS, Period
from amkpi.core.run import Run
from amkpi.scorecards.facts import Facts, Publication, ScopeMember, read_facts, read_publication

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
    members: Mapping[ScopeMember, Collection[tuple[str, date]]]
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
class PeriodFacts:
    """The facts of a period.

    intervals: the 95% Wilson interval of each member and KPI, None where the KPI has none. measures: the supporting
    measures of each member by name.
    """

    facts: Facts
    intervals: Mapping[tuple[ScopeMember, str], tuple[float | None, float | None]]
    measures: Mapping[tuple[ScopeMember, str], MeasureValue]


def read_period(connection: duckdb.DuckDBPyConnection, period: Period, run: Run) -> PeriodFacts:
    """Read a period of an open publication. run: says where its closing files are. Raises ClosingsBroken."""
    facts = read_facts(connection, period, run, history=PERIODS_SHOWN)
    intervals = {
        (ScopeMember(scope, staff_id), kpi): (low, high)
        for scope, staff_id, kpi, low, high in connection.execute(
            "select scope, staff_id, kpi, wilson_low, wilson_high from kpi_values"
            " where period_grain = ? and period_start = ? and wilson_low is not null",
            [period.grain, period.start],
        ).fetchall()
    }
    measures = {
        (ScopeMember(scope, staff_id), measure): MeasureValue(*figures)
        for scope, staff_id, measure, *figures in connection.execute(
            "select scope, staff_id, measure, value, numerator, denominator from supporting_measures"
            " where period_grain = ? and period_start = ?",
            [period.grain, period.start],
        ).fetchall()
    }
    return PeriodFacts(facts, intervals, measures)


def read_index(connection: duckdb.DuckDBPyConnection) -> Index:
    """Read the index of an open publication."""
    publication = read_publication(connection)
    members: dict[ScopeMember, set[tuple[str, date]]] = {}
    found: set[tuple[str, date, date]] = set()
    for scope, staff_id, grain, start, end in connection.execute(
        "select scope, staff_id, period_grain, period_start, period_end from scorecards"
    ).fetchall():
        members.setdefault(ScopeMember(scope, staff_id), set()).add((grain, start))
        found.add((grain, start, end))
    clients = {
        row[0]: Client(*row)
        for row in connection.execute(
            "select client_id, coalesce(client_name, client_id), manager_id, industry, is_active from dim_client"
        ).fetchall()
    }
    return Index(
        publication=publication,
        names=read_names(connection),
        members=members,
        clients=clients,
        credited=read_credited(connection),
        whole_clients=frozenset(clients),
        periods=tuple(Period(*each) for each in sorted(found, key=lambda each: (GRAINS.index(each[0]), each[1]))),
    )
