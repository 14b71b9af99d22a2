"""The figures of a publication: what every period shares is read once, the rest for each period."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar

import duckdb

from amkpi.access.names import Names, read_names
from amkpi.access.reader import Reader
from amkpi.core.catalogue import kpis
from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.core.settings import Settings
from amkpi.publishing.closing.files import opened
from amkpi.publishing.columns import Columns, Numbers, read_numbers, read_rows
from amkpi.scorecards.closings import Closings, read_closing, read_closings
from amkpi.scorecards.evidence_records import Evidence, EvidenceRecord, EvidenceSource, read_evidence_source
from amkpi.scorecards.scores import Score, ScoreRules, ShownScore

V = TypeVar("V")


@dataclass(frozen=True)
class ScopeMember:
    """Whom a value or scorecard is for: the scope (own, team or company) and the person; None for the company."""

    scope: str
    staff_id: str | None


@dataclass(frozen=True)
class KpiValue:
    """A row of kpi_values."""

    value: float | None
    numerator: float | None
    denominator: float | None
    sample_size: int
    is_provisional: bool
    null_reason: str | None
    undecided: int


@dataclass(frozen=True)
class ScorecardLine:
    """A row of scorecard_lines, without the columns that `KpiValue` has."""

    target: float | None
    attainment: float | None
    weight: float | None
    change: float | None
    status: str

    @property
    def shortfall(self) -> float:
        """Weight × (1 − attainment): the points of the score lost here; 0 for a KPI that is met or not scored."""
        if self.attainment is None or self.weight is None:
            return 0.0
        return self.weight * max(0.0, 1.0 - self.attainment)


@dataclass(frozen=True)
class QuarantineEntry:
    """A row in quarantine, with the ids that decide which readers it concerns; its other content is not read."""

    extract: str
    file_name: str
    line_number: int
    reason: str
    ids: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class FailedExpectation:
    """A warning of the audit: an expectation that failed without blocking the publication.

    rows: the first failing rows, each named by its ids. are_all: whether these are all failing rows.
    """

    expectation: str
    table_name: str | None
    rows: tuple[str, ...]
    are_all: bool


@dataclass(frozen=True)
class Publication:
    """The publication that the facts were read from. delivery: the last one that it contains. settings: as JSON.

    closing_n, closing_sha256: of the last line of the register of closings; None where nothing was ever closed.
    """

    publication_id: str
    as_of: date
    published_at: datetime
    pipeline_version: str
    currency: str
    delivery: int
    settings: str | None
    closing_n: int | None
    closing_sha256: str | None


@dataclass(frozen=True)
class Facts:
    """The input of all scorecards of one grain and period.

    today: the names as of the publication. as_closed: those of the day the period was closed; None while it is open.
    """

    publication: Publication
    period: Period
    today: Names
    as_closed: Names | None
    client_managers: Mapping[str, str | None]
    values: Mapping[tuple[ScopeMember, str, date], KpiValue]
    lines: Mapping[tuple[ScopeMember, str, date], ScorecardLine]
    scores: Mapping[tuple[ScopeMember, date], Score]
    records: Evidence
    signed: Mapping[str, Mapping[str | None, float]]
    quarantined: tuple[QuarantineEntry, ...]
    failed: tuple[FailedExpectation, ...]
    closings: Closings
    rules: ScoreRules

    @cached_property
    def names(self) -> Names:
        """What the mails print: a closed period's as it was closed. Who came later has the name of today."""
        return self.as_closed.or_else(self.today) if self.as_closed else self.today

    @property
    def close(self) -> date:
        """The last day whose data the period's values contain."""
        return min(self.period.end, self.publication.as_of)

    def signed_by(self, client_id: str | None, reader: Reader) -> float | None:
        """The new revenue that a client signed in the twelve months to the period's close.

        None where there is none, or where the reader may not read every record of it: the sum would tell of the others.
        """
        amounts = self.signed.get(client_id or "", {})
        if not amounts or not all(reader.may_read_record(staff_id) for staff_id in amounts):
            return None
        return sum(amounts.values())

    @property
    def days(self) -> int:
        """How many days of the period have data."""
        return (self.close - self.period.start).days + 1

    def shown_score(self, member: ScopeMember, period: Period | None = None) -> ShownScore:
        """The weighted score as readers see it; of the mail's period without another."""
        chosen = period or self.period
        days = (min(chosen.end, self.publication.as_of) - chosen.start).days + 1
        return self.rules.shown(self.scores.get((member, chosen.start)), days)

    def is_too_early(self, member: ScopeMember) -> bool:
        """Whether the period is too young to judge this member."""
        return self.shown_score(member).is_too_early

    def is_under(self, staff_id: str | None, manager_id: str | None, day: date) -> bool:
        """Whether the person was in the manager's team on the day."""
        return any(
            span.manager_id == manager_id and span.first <= day <= span.last
            for span in self.names.managers.get(staff_id or "", ())
        )

    def records_of(self, member: ScopeMember, kpi: str) -> list[EvidenceRecord]:
        """The records that a value counts. A team's value counts the records of people in the team on the record's day.

        A private KPI has one row for each person and no date: its people are those in the team at the close.
        """
        if member.scope == "company":
            return self.records.of(kpi)
        if member.scope != "team":
            return self.records.of_people((member.staff_id,), kpi)
        # The leader, and whoever was ever in the team.
        return [
            record
            for record in self.records.of_people({member.staff_id, *self.names.under(member.staff_id)}, kpi)
            if record.staff_id == member.staff_id
            or self.is_under(record.staff_id, member.staff_id, record.event_date or self.close)
        ]


def read_publication(connection: duckdb.DuckDBPyConnection) -> Publication:
    """The publication of the schema `marts`: an open one or, while publishing, that of the warehouse."""
    row = connection.execute(
        "select publication_id, as_of, published_at, pipeline_version, reporting_currency,"
        " (select coalesce(max(delivery), 0) from marts.load_ledger), settings, closing_n, closing_sha256"
        " from marts.publication"
    ).fetchall()[0]
    return Publication(*row)


class _ByKpi(Mapping[tuple[ScopeMember, str, date], V]):
    """The rows of one grain by member, KPI and first day of the period."""

    def __init__(self, columns: Columns[V], grain: str) -> None:
        self._columns, self._grain = columns, grain

    def __getitem__(self, key: tuple[ScopeMember, str, date]) -> V:
        member, kpi, start = key
        found = self._columns.get((member.scope, member.staff_id), kpi, (self._grain, start))
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[tuple[ScopeMember, str, date]]:
        for member, kpi, (grain, start) in self._columns:
            if grain == self._grain:
                yield ScopeMember(*member), kpi, start

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _ByMember(Mapping[tuple[ScopeMember, date], V]):
    """The rows of one grain by member and first day of the period, of a mart that has no KPI."""

    def __init__(self, columns: Columns[V], grain: str) -> None:
        self._columns, self._grain = columns, grain

    def __getitem__(self, key: tuple[ScopeMember, date]) -> V:
        member, start = key
        found = self._columns.get((member.scope, member.staff_id), "", (self._grain, start))
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[tuple[ScopeMember, date]]:
        for member, _, (grain, start) in self._columns:
            if grain == self._grain:
                yield ScopeMember(*member), start

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class CommonFacts:
    """What the facts of every period of a publication share. The columns have every period, or those of one grain."""

    publication: Publication
    today: Names
    client_managers: Mapping[str, str | None]
    numbers: Numbers
    values: Columns[KpiValue]
    lines: Columns[ScorecardLine]
    scores: Columns[Score]
    evidence: EvidenceSource
    quarantined: tuple[QuarantineEntry, ...]
    failed: tuple[FailedExpectation, ...]
    rules: ScoreRules


def read_common_facts(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    grain: str | None = None,
    of_values: Sequence[str] = (),
    of_lines: Sequence[str] = (),
) -> CommonFacts:
    """Read what every period of the open publication shares. grain: only the periods of this grain are wanted.

    connection: from `amkpi.publishing.reader.published`, with the marts on its search path. of_values, of_lines: more
    columns that the rows of kpi_values and scorecard_lines get, after those of the objects.
    """
    publication, numbers = read_publication(connection), read_numbers(connection, grain)
    values = read_rows(connection, numbers, "kpi_values", (*_VALUES, *of_values), "kpi")
    lines = read_rows(connection, numbers, "scorecard_lines", (*_LINES, *of_lines), "kpi")
    return CommonFacts(
        publication=publication,
        today=read_names(connection),
        client_managers=dict(connection.execute("select client_id, manager_id from dim_client").fetchall()),
        numbers=numbers,
        values=Columns(values, KpiValue, slice(len(_VALUES))),
        lines=Columns(lines, ScorecardLine, slice(len(_LINES))),
        scores=Columns(read_rows(connection, numbers, "scorecards", _SCORES), Score),
        evidence=read_evidence_source(connection),
        quarantined=_quarantined(connection),
        failed=_failed(connection),
        rules=ScoreRules.of(settings, publication.settings),
    )


def read_facts(
    connection: duckdb.DuckDBPyConnection,
    period: Period,
    run: Run,
    common: CommonFacts | None = None,
    records: Evidence | None = None,
) -> Facts:
    """Read the facts of a period from the open publication, and the names of a closed one from its closing file.

    connection: as for `read_common_facts`. common: from there, where it was read before. records: of the period; all
    are read without them. Raises ClosingsBroken where the closing file cannot be read.
    """
    common = common or read_common_facts(connection, run.settings, period.grain)
    if records is None:
        table = common.evidence.read(connection, period)
        records = Evidence(lambda people: table)
    today, as_closed = common.today, None
    closing = read_closing(connection, period)
    # Whoever sees only the publications, as the pages in their container do, has no closing file: today's names then.
    if closing is not None and run.home.closed.is_dir():
        with opened(run.home, closing.n, run.settings.timezone) as closing_file:
            as_closed = read_names(closing_file)
    return Facts(
        publication=common.publication,
        period=period,
        today=today,
        as_closed=as_closed,
        client_managers=common.client_managers,
        values=_ByKpi(common.values, period.grain),
        lines=_ByKpi(common.lines, period.grain),
        scores=_ByMember(common.scores, period.grain),
        records=records,
        signed=_signed(connection, min(period.end, common.publication.as_of)),
        quarantined=common.quarantined,
        failed=common.failed,
        closings=read_closings(connection, period, closing, [today, *([as_closed] if as_closed else [])]),
        rules=common.rules,
    )


_VALUES = (
    "value", "numerator", "denominator", "sample_size", "is_provisional", "null_reason", "coalesce(undecided, 0)"
)  # fmt: skip
_LINES = ("target", "attainment", "weight", "change", "status")
_SCORES = ("weighted_score", "rating", "weight_covered", "kpis_scored", "is_provisional")


def _signed(connection: duckdb.DuckDBPyConnection, close: date) -> dict[str, dict[str | None, float]]:
    """The new revenue of the twelve months to the close, by client and who has the credit."""
    signed: dict[str, dict[str | None, float]] = {}
    for client_id, staff_id, amount in connection.execute(
        "select client_id, staff_id, sum(numerator) from kpi_evidence where list_contains(?, kpi)"
        " and period_grain = 'trailing_12m' and period_start = ? and client_id is not null"
        " group by client_id, staff_id order by client_id, staff_id",
        [[kpi.name for kpi in kpis() if kpi.is_of_signings], Period.holding("trailing_12m", close).start],
    ).fetchall():
        signed.setdefault(client_id, {})[staff_id] = amount
    return signed


def _quarantined(connection: duckdb.DuckDBPyConnection) -> tuple[QuarantineEntry, ...]:
    return tuple(
        QuarantineEntry(extract, file_name, line, reason, _ids(raw))
        for extract, file_name, line, reason, raw in connection.execute(
            "select extract, file_name, line_number, reason, raw_row from quarantined_rows where not is_dismissed"
            " order by all"
        ).fetchall()
    )


def _failed(connection: duckdb.DuckDBPyConnection) -> tuple[FailedExpectation, ...]:
    return tuple(
        FailedExpectation(expectation, table_name, tuple(found := json.loads(rows or "[]")), 0 < len(found) >= count)
        for expectation, table_name, rows, count in connection.execute(
            "select expectation, table_name, rows_concerned, unexpected_count from quality_results where not success"
            " order by all"
        ).fetchall()
    )


def _ids(raw_row: str | None) -> frozenset[tuple[str, str]]:
    """The columns of a quarantined row that identify a person, client or project, as (column, id)."""
    try:
        cells: Any = json.loads(raw_row) if raw_row else {}
    except json.JSONDecodeError:
        return frozenset()
    if not isinstance(cells, dict):
        return frozenset()
    wanted = {"client_id", "owner_id", "staff_id", "account_manager_id", "manager_id", "project_id", "contract_id"}
    found = set()
    for name, cell in cells.items():
        key = str(name).strip().lower().replace(" ", "_").replace("-", "_")
        if key in wanted and cell is not None and str(cell).strip():
            found.add((key, str(cell).strip()))
    return frozenset(found)
