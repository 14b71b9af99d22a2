"""The evidence for `amkpi explain`: a published value with everything that it is computed from.

The current publication is read: the value and its scorecard line, the records that add up to it, the records that do
not count and why, and the rows in quarantine. Of a closed period the records come from its closing file.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import duckdb

from amkpi.core.catalogue import Kpi
from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.core.storage.internal_schemas import internal_schema
from amkpi.core.undecided import is_still_open
from amkpi.explain import closing as closings
from amkpi.explain.arguments import find_kpi, find_period, period_key
from amkpi.explain.closing import Closing
from amkpi.explain.target_spans import TargetSpan, read_target_spans
from amkpi.publishing.closing.files import opened
from amkpi.publishing.reader import published

Scope = Literal["own", "team", "company"]
MOST_PLACES = 3
# A record counts for the teams of all who managed its person on the day of the record. {internal}: the schema of the
# tables that are not public.
_OF_SCOPE = {
    "own": "records.staff_id = $staff_id",
    "team": """
        (records.staff_id = $staff_id or exists (
            from {internal}.int_management_chain as chain
            where chain.staff_id = records.staff_id and chain.manager_id = $staff_id and not chain.is_loop
                and records.event_date between chain.valid_from and chain.valid_to
        ))""",
    # Always true; it uses the parameter that the other scopes need.
    "company": "$staff_id is null",
}


@dataclass(frozen=True)
class Question:
    """Which value to explain. staff_id is None for the company."""

    kpi: Kpi
    scope: Scope
    staff_id: str | None
    period: Period


@dataclass(frozen=True)
class SourceRecord:
    """A source record, its client, and the person with the credit (None: it counts only for the company)."""

    event_date: date
    client_id: str | None
    client_name: str | None
    extract: str
    source_id: str | None
    staff_id: str | None
    full_name: str | None


@dataclass(frozen=True)
class CountedRecord(SourceRecord):
    """A record that counts. samples: what it adds to the sample size; 0 for a cancellation."""

    numerator: float
    denominator: float | None
    samples: int


@dataclass(frozen=True)
class ExcludedRecord(SourceRecord):
    """A record that does not count. records: how many it stands for, since peer reviews are private."""

    reason: str
    detail: str | None
    amount: float | None
    records: int


@dataclass(frozen=True)
class QuarantinedRows:
    """Rows of an extract in quarantine now, of any period. places: the first of them, as `file:line`."""

    extract: str
    reason: str
    rows: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class ExplainedValue:
    """The rows of kpi_values and scorecard_lines of one value; ratios from 0 to 1."""

    value: float | None
    numerator: float | None
    denominator: float | None
    sample_size: int
    null_reason: str | None
    is_provisional: bool
    wilson_low: float | None
    wilson_high: float | None
    target: float | None
    attainment: float | None
    weight: float | None
    status: str
    previous_value: float | None
    change: float | None
    undecided: int

    @property
    def is_still_open(self) -> bool:
        """Whether the records without an outcome can still bring an off-target value to its target."""
        return is_still_open(self.status, self.numerator, self.denominator, self.undecided, self.target)


@dataclass(frozen=True)
class Explanation:
    """A value and its evidence. full_name: of the question's person; closing: None for an open period."""

    question: Question
    full_name: str | None
    publication_id: str
    as_of: date
    currency: str
    value: ExplainedValue
    target_spans: tuple[TargetSpan, ...]
    counted: tuple[CountedRecord, ...]
    excluded: tuple[ExcludedRecord, ...]
    quarantined: tuple[QuarantinedRows, ...]
    closing: Closing | None = None


def explain(run: Run, kpi: str, staff_id: str | None, period: str, scope: Scope | None) -> Explanation:
    """Explain a value. Without a scope it is the person's own value, or the company's where nobody is named.

    Raises AmkpiError where the KPI, person or period is unknown, or there is no such value.
    """
    chosen: Scope = scope or ("own" if staff_id else "company")
    if (chosen == "company") == (staff_id is not None):
        raise AmkpiError(
            "the company is not a person: leave STAFF_ID out, or use --scope own or team"
            if staff_id
            else f"whose? --scope {chosen} needs a STAFF_ID between KPI and PERIOD"
        )
    question = Question(find_kpi(kpi), chosen, staff_id, find_period(period))
    with published(run.home, run.settings) as connection:
        return explained(connection, question, lambda n: opened(run.home, n, run.settings.timezone))


def explained(
    connection: duckdb.DuckDBPyConnection,
    question: Question,
    closing_file: Callable[[int], AbstractContextManager[duckdb.DuckDBPyConnection]],
) -> Explanation:
    """Explain a value of an open publication.

    connection: with the marts on its search path. closing_file: opens the file of an act, by its number. Raises
    AmkpiError where the person is unknown or there is no such value, ClosingsBroken where a closing file is missing.
    """
    ((identity, as_of, currency),) = connection.execute(
        "select publication_id, as_of, reporting_currency from publication"
    ).fetchall()
    staff_id = question.staff_id
    full_name = _find_person(connection, staff_id) if staff_id else None
    value = _value(connection, question, full_name)
    act = closings.act_of(connection, question.period)
    with closing_file(act) if act else nullcontext(connection) as records:
        internal = internal_schema(records, "intermediate")
        return Explanation(
            question=question,
            full_name=full_name,
            publication_id=identity,
            as_of=as_of,
            currency=currency,
            value=value,
            target_spans=read_target_spans(
                records,
                internal,
                question.kpi.name,
                question.scope,
                staff_id,
                question.period.grain,
                question.period.start,
            ),
            counted=counted(records, internal, question),
            excluded=_excluded(records, internal, question),
            quarantined=quarantined(connection, question.kpi),
            closing=closings.read_closing(
                connection, records, act, question.kpi.name, question.scope, staff_id, question.period
            )
            if act
            else None,
        )


def _find_person(connection: duckdb.DuckDBPyConnection, staff_id: str) -> str:
    names: dict[str, str] = dict(connection.execute("select staff_id, full_name from dim_staff").fetchall())
    if staff_id in names:
        return names[staff_id]
    if connection.execute("select 1 from kpi_values where staff_id = ? limit 1", [staff_id]).fetchall():
        return staff_id
    wanted = staff_id.casefold()
    near = [key for key, name in names.items() if wanted == key.casefold() or wanted in name.casefold()]
    near = near or difflib.get_close_matches(staff_id, names, n=3)
    hint = ", ".join(f"{key} ({names[key]})" for key in sorted(near)[:3])
    advice = f"did you mean {hint}?" if hint else '`amkpi query "from dim_staff"` lists everyone'
    raise AmkpiError(f"no person {staff_id!r}: {advice}")


def _value(connection: duckdb.DuckDBPyConnection, question: Question, full_name: str | None) -> ExplainedValue:
    found = connection.execute(
        """
        select v.value, v.numerator, v.denominator, v.sample_size, v.null_reason, v.is_provisional,
            v.wilson_low, v.wilson_high, l.target, l.attainment, l.weight, l.status, l.previous_value, l.change,
            coalesce(v.undecided, 0)
        from kpi_values as v
        inner join scorecard_lines as l
            on v.kpi = l.kpi and v.scope = l.scope and v.staff_id is not distinct from l.staff_id
            and v.period_grain = l.period_grain and v.period_start = l.period_start
        where v.kpi = $kpi and v.scope = $scope and v.staff_id is not distinct from $staff_id
            and v.period_grain = $grain and v.period_start = $start
        """,
        {**_of(question), "scope": question.scope, "grain": question.period.grain},
    ).fetchall()
    if not found:
        raise AmkpiError(_no_value(connection, question, full_name))
    return ExplainedValue(*found[0])


def _of(question: Question) -> dict[str, Any]:
    return {"kpi": question.kpi.name, "staff_id": question.staff_id, "start": question.period.start}


def _no_value(connection: duckdb.DuckDBPyConnection, question: Question, full_name: str | None) -> str:
    """An error message: why there is no value, and which periods have one."""
    who = "the company" if question.staff_id is None else f"{full_name} ({question.staff_id})"
    ends = connection.execute(
        "select period_grain, period_end from kpi_values"
        " where kpi = ? and scope = ? and staff_id is not distinct from ? order by period_end",
        [question.kpi.name, question.scope, question.staff_id],
    ).fetchall()
    if not ends:
        why = {
            "own": "was never account staff and never had the credit for a record",
            "team": "never had account staff under them",
            "company": "has none yet: nothing was delivered",
        }
        return f"no value of scope {question.scope}: {who} {why[question.scope]}"
    if closings.act_of(connection, question.period):
        return (
            f"{who} had no value when {period_key(question.period)} was closed: what came later is in"
            f" `amkpi query \"from adjustments where kpi = '{question.kpi.name}'\"`"
        )
    same = [Period.ending(grain, end.replace(day=1)) for grain, end in ends if grain == question.period.grain]
    scope = "" if question.scope == "company" else f" {question.scope}"
    return f"{who} has no{scope} value for {period_key(question.period)}: there are {_ranges(same)}"


def _ranges(periods: Sequence[Period]) -> str:
    """Periods in order; consecutive ones as `first to last`."""
    runs: list[list[Period]] = []
    for period in periods:
        if runs and period.before() == runs[-1][-1]:
            runs[-1].append(period)
        else:
            runs.append([period])
    return ", ".join(
        period_key(run[0]) if len(run) == 1 else f"{period_key(run[0])} to {period_key(run[-1])}" for run in runs
    )


def counted(connection: duckdb.DuckDBPyConnection, internal: str, question: Question) -> tuple[CountedRecord, ...]:
    """The records of the value: the worst first for a ratio, by date for money."""
    rows = connection.execute(
        f"""
        with records as (
            select event_date, client_id, source_extract, source_id, staff_id, numerator, denominator, sample_size
            from {internal}.int_kpi_records
            where kpi = $kpi and event_date between $start and $end
            union all
            select event_date, client_id, source_extract, source_id, staff_id, numerator, denominator, sample_size
            from {internal}.int_client_records
            where kpi = $kpi and period_grain = $grain and period_start = $start
        )
        {_with_names("cast(records.numerator as double), cast(records.denominator as double), records.sample_size")}
        where {_OF_SCOPE[question.scope].format(internal=internal)}
        order by case when $worst_first then $sign * records.numerator / nullif(records.denominator, 0) end,
            records.event_date, clients.client_name, records.source_id, records.numerator desc
        """,
        {
            **_of(question),
            "end": question.period.end,
            "grain": question.period.grain,
            "worst_first": question.kpi.denominator is not None,
            "sign": 1 if question.kpi.better == "higher" else -1,
        },
    ).fetchall()
    return tuple(CountedRecord(*row) for row in rows)


_EXCLUDED = "records.reason, records.detail, records.amount, records.records"
_ORDER_OF_EXCLUDED = "records.reason, records.event_date, clients.client_name, records.source_id, records.staff_id"


def _excluded(connection: duckdb.DuckDBPyConnection, internal: str, question: Question) -> tuple[ExcludedRecord, ...]:
    rows = connection.execute(
        f"""
        with records as (
            from {internal}.int_exclusions where kpi = $kpi and event_date between $start and $end
        )
        {_with_names(_EXCLUDED)}
        where {_OF_SCOPE[question.scope].format(internal=internal)}
        order by {_ORDER_OF_EXCLUDED}
        """,
        {**_of(question), "end": question.period.end},
    ).fetchall()
    return tuple(ExcludedRecord(*row) for row in rows)


def all_excluded(connection: duckdb.DuckDBPyConnection, internal: str) -> dict[str, tuple[ExcludedRecord, ...]]:
    """By KPI, all records that do not count, in the order of explanations."""
    found: dict[str, list[ExcludedRecord]] = {}
    for *row, kpi in connection.execute(
        f"with records as (from {internal}.int_exclusions) {_with_names(_EXCLUDED + ', records.kpi')}"
        f" order by {_ORDER_OF_EXCLUDED}"
    ).fetchall():
        found.setdefault(kpi, []).append(ExcludedRecord(*row))
    return {kpi: tuple(records) for kpi, records in found.items()}


def _with_names(more: str) -> str:
    return f"""
        select records.event_date, records.client_id, coalesce(clients.client_name, records.client_id),
            records.source_extract, records.source_id, records.staff_id,
            coalesce(staff.full_name, records.staff_id), {more}
        from records
        left join dim_client as clients on records.client_id = clients.client_id
        left join dim_staff as staff on records.staff_id = staff.staff_id
    """


def quarantined(connection: duckdb.DuckDBPyConnection, kpi: Kpi) -> tuple[QuarantinedRows, ...]:
    """The rows in quarantine now of the extracts that a KPI reads."""
    rows = connection.execute(
        """
        select extract, reason, count(*), list(file_name || ':' || line_number order by file_name, line_number)
        from quarantined_rows where list_contains($reads, extract) and not is_dismissed
        group by extract, reason order by list_position($reads, extract), count(*) desc, reason
        """,
        {"reads": list(kpi.reads)},
    ).fetchall()
    # The line of a review in a file would help to find out who wrote it.
    most = 0 if kpi.private else MOST_PLACES
    return tuple(
        QuarantinedRows(extract, reason, count, tuple(places[:most])) for extract, reason, count, places in rows
    )
