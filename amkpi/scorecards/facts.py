"""The figures of the published marts for one grain, read once before any mail is composed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import duckdb

from amkpi.access.names import Names, read_names
from amkpi.access.reader import Reader
from amkpi.core.catalogue import kpis
from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.publishing.closing.files import opened
from amkpi.scorecards.closings import Closings, read_closing, read_closings
from amkpi.scorecards.scores import Score, ScoreRules, ShownScore


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
class EvidenceRecord:
    """A row of kpi_evidence in the period.

    The fields from `name` on are None in a publication of version 0.1.0, and of periods that it closed. days_late: up
    to the publication's date where the record is not done. amount: in the reporting currency. kind: of business.
    """

    kpi: str
    staff_id: str | None
    client_id: str | None
    event_date: date | None
    extract: str | None
    source_id: str | None
    numerator: float | None
    denominator: float | None
    name: str | None = None
    state: str | None = None
    due_date: date | None = None
    done_date: date | None = None
    days_late: int | None = None
    amount: float | None = None
    kind: str | None = None
    file_name: str | None = None
    line_number: int | None = None

    @property
    def excess(self) -> float:
        """By how much the numerator is above the denominator."""
        return (self.numerator or 0.0) - (self.denominator or 0.0)


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
    records: tuple[EvidenceRecord, ...]
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
        return [record for record in self.records if record.kpi == kpi and self._counts(record, member)]

    def _counts(self, record: EvidenceRecord, member: ScopeMember) -> bool:
        if member.scope == "company" or record.staff_id == member.staff_id:
            return True
        day = record.event_date or self.close
        return member.scope == "team" and self.is_under(record.staff_id, member.staff_id, day)


def read_publication(connection: duckdb.DuckDBPyConnection) -> Publication:
    """The publication of the schema `marts`: an open one or, while publishing, that of the warehouse."""
    row = connection.execute(
        "select publication_id, as_of, published_at, pipeline_version, reporting_currency,"
        " (select coalesce(max(delivery), 0) from marts.load_ledger), settings, closing_n, closing_sha256"
        " from marts.publication"
    ).fetchall()[0]
    return Publication(*row)


def read_facts(connection: duckdb.DuckDBPyConnection, period: Period, run: Run, history: int = 6) -> Facts:
    """Read the facts of a period from the open publication, and the names of a closed one from its closing file.

    connection: from `amkpi.publishing.reader.published`, with the marts on its search path. history: of so many periods
    the lines are read. Raises ClosingsBroken where the closing file cannot be read.
    """
    today, as_closed = read_names(connection), None
    closing = read_closing(connection, period)
    # Whoever sees only the publications, as the pages in their container do, has no closing file: today's names then.
    if closing is not None and run.home.closed.is_dir():
        with opened(run.home, closing.n, run.settings.timezone) as closing_file:
            as_closed = read_names(closing_file)
    closings = read_closings(connection, period, closing, [today, *([as_closed] if as_closed else [])])
    grain = [period.grain]
    values = {
        (ScopeMember(scope, staff_id), kpi, start): KpiValue(*rest)
        for scope, staff_id, kpi, start, *rest in connection.execute(
            "select scope, staff_id, kpi, period_start, value, numerator, denominator, sample_size, is_provisional,"
            " null_reason, coalesce(undecided, 0) from kpi_values where period_grain = ?",
            grain,
        ).fetchall()
    }
    lines = {
        (ScopeMember(scope, staff_id), kpi, start): ScorecardLine(*rest)
        for scope, staff_id, kpi, start, *rest in connection.execute(
            "select scope, staff_id, kpi, period_start, target, attainment, weight, change, status"
            " from scorecard_lines where period_grain = ? and period_start between ? and ?",
            [period.grain, period.before(history - 1).start, period.start],
        ).fetchall()
    }
    scores = {
        (ScopeMember(scope, staff_id), start): Score(*rest)
        for scope, staff_id, start, *rest in connection.execute(
            "select scope, staff_id, period_start, weighted_score, rating, weight_covered, kpis_scored,"
            " is_provisional from scorecards where period_grain = ?",
            grain,
        ).fetchall()
    }
    records = _records(connection, period)
    publication = read_publication(connection)
    year = Period.holding("trailing_12m", min(period.end, publication.as_of))
    signed: dict[str, dict[str | None, float]] = {}
    for client_id, staff_id, amount in connection.execute(
        "select client_id, staff_id, sum(numerator) from kpi_evidence where list_contains(?, kpi)"
        " and period_grain = 'trailing_12m' and period_start = ? and client_id is not null"
        " group by client_id, staff_id order by client_id, staff_id",
        [[kpi.name for kpi in kpis() if kpi.is_of_signings], year.start],
    ).fetchall():
        signed.setdefault(client_id, {})[staff_id] = amount
    client_managers = dict(connection.execute("select client_id, manager_id from dim_client").fetchall())
    quarantined = tuple(
        QuarantineEntry(extract, file_name, line, reason, _ids(raw))
        for extract, file_name, line, reason, raw in connection.execute(
            "select extract, file_name, line_number, reason, raw_row from quarantined_rows where not is_dismissed"
            " order by all"
        ).fetchall()
    )
    failed = tuple(
        FailedExpectation(expectation, table_name, tuple(found := json.loads(rows or "[]")), 0 < len(found) >= count)
        for expectation, table_name, rows, count in connection.execute(
            "select expectation, table_name, rows_concerned, unexpected_count from quality_results where not success"
            " order by all"
        ).fetchall()
    )
    return Facts(
        publication=publication,
        period=period,
        today=today,
        as_closed=as_closed,
        client_managers=client_managers,
        values=values,
        lines=lines,
        scores=scores,
        records=records,
        signed=signed,
        quarantined=quarantined,
        failed=failed,
        closings=closings,
        rules=ScoreRules.of(run.settings, publication.settings),
    )


_DETAILS = (
    "record_name", "state", "due_date", "done_date", "days_late", "amount", "kind", "file_name", "line_number",
)  # fmt: skip


def _records(connection: duckdb.DuckDBPyConnection, period: Period) -> tuple[EvidenceRecord, ...]:
    """The evidence of the period. A publication of version 0.1.0 has no details of its records."""
    present = {row[0] for row in connection.execute("describe kpi_evidence").fetchall()}
    details = ", ".join(name if name in present else f"null as {name}" for name in _DETAILS)
    rows = connection.execute(
        f"select kpi, staff_id, client_id, event_date, source_extract, source_id, numerator, denominator, {details}"
        " from kpi_evidence where period_grain = ? and period_start = ? order by all",
        [period.grain, period.start],
    ).fetchall()
    return tuple(EvidenceRecord(*row) for row in rows)


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
