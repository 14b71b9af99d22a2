"""Explanations of many values of one publication, as its pages show them: what they share is read once.

To explain one value takes ten queries, and most of their time is the planning of each. Here one is left.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from amkpi.access.names import Names, read_names
from amkpi.core.catalogue import kpis
from amkpi.core.storage.internal_schemas import internal_schema
from amkpi.explain.evidence import (
    ExcludedRecord,
    ExplainedValue,
    Explanation,
    QuarantinedRows,
    Question,
    all_excluded,
    counted,
    explained,
    quarantined,
)
from amkpi.explain.target_spans import read_spans_of
from amkpi.publishing.columns import Columns, Numbers, Rows, read_rows

# What rows of kpi_values and scorecard_lines need for an explanation besides what scorecards read.
OF_VALUES = ("wilson_low", "wilson_high")
OF_LINES = ("previous_value",)


@dataclass(frozen=True)
class Explainer:
    """What the explanations of a publication share.

    values: value, numerator, denominator, sample_size, is_provisional, null_reason, undecided, wilson_low, wilson_high.
    lines: target, attainment, weight, change, status, previous_value. subjects: by scope, person and period, the
    numbers under which target spans are kept. closed: the closed periods, as
    (grain, first day). excluded: by KPI, all records that do not count. quarantined: by KPI.
    """

    publication_id: str
    as_of: date
    currency: str
    names: Names
    internal: str
    values: Columns[tuple[Any, ...]]
    lines: Columns[tuple[Any, ...]]
    subjects: Columns[tuple[Any, ...]]
    kpi_numbers: dict[str, int]
    closed: frozenset[tuple[str, date]]
    excluded: dict[str, tuple[ExcludedRecord, ...]]
    quarantined: dict[str, tuple[QuarantinedRows, ...]]

    def explain(
        self,
        connection: duckdb.DuckDBPyConnection,
        question: Question,
        closing_file: Callable[[int], AbstractContextManager[duckdb.DuckDBPyConnection]],
    ) -> Explanation:
        """The same as `explained`, but `counted` is empty where nothing but a list of these records needs them."""
        kpi, period = question.kpi, (question.period.grain, question.period.start)
        member = (question.scope, question.staff_id)
        value = self._value(member, kpi.name, period)
        person = self.names.people.get(question.staff_id or "")
        # What is rare is left to the one who reads everything: a closing file, an unknown person or value.
        if value is None or period in self.closed or (question.staff_id is not None and person is None):
            return explained(connection, question, closing_file)
        excluded = tuple(record for record in self.excluded.get(kpi.name, ()) if self._is_of(record, question))
        subject = self.subjects.get(member, "", period)
        is_read = kpi.is_of_signings or any(record.reason == "superseded" for record in excluded)
        return Explanation(
            question=question,
            full_name=person.full_name if person else None,
            publication_id=self.publication_id,
            as_of=self.as_of,
            currency=self.currency,
            value=value,
            target_spans=read_spans_of(connection, self.internal, subject[0], subject[1], self.kpi_numbers[kpi.name])
            if subject
            else (),
            counted=counted(connection, self.internal, question) if is_read else (),
            excluded=excluded,
            quarantined=self.quarantined[kpi.name],
        )

    def _value(self, member: tuple[str, str | None], kpi: str, period: tuple[str, date]) -> ExplainedValue | None:
        row, line = self.values.get(member, kpi, period), self.lines.get(member, kpi, period)
        if row is None or line is None:
            return None
        value, numerator, denominator, sample_size, is_provisional, null_reason, undecided, low, high = row
        target, attainment, weight, change, status, previous = line
        return ExplainedValue(
            value, numerator, denominator, sample_size, null_reason, is_provisional, low, high, target, attainment,
            weight, status, previous, change, undecided,
        )  # fmt: skip

    def _is_of(self, record: ExcludedRecord, question: Question) -> bool:
        """Whether somebody would look for the record behind this value."""
        if not question.period.start <= record.event_date <= question.period.end:
            return False
        if question.scope == "company" or record.staff_id == question.staff_id:
            return True
        return question.scope == "team" and any(
            span.manager_id == question.staff_id and span.first <= record.event_date <= span.last
            for span in self.names.managers.get(record.staff_id or "", ())
        )


def read_explainer(connection: duckdb.DuckDBPyConnection, numbers: Numbers, values: Rows, lines: Rows) -> Explainer:
    """Read what explanations of an open publication share.

    numbers: of all its members and periods. values, lines: of kpi_values and scorecard_lines, with the columns of
    `Explainer`.
    """
    ((identity, as_of, currency),) = connection.execute(
        "select publication_id, as_of, reporting_currency from publication"
    ).fetchall()
    internal = internal_schema(connection, "intermediate")
    subjects = (
        f"(select scope, nullif(person_key, '') as staff_id, period_grain, period_start, subject_id, period_id"
        f" from {internal}.int_scope_members)"
    )
    return Explainer(
        publication_id=identity,
        as_of=as_of,
        currency=currency,
        names=read_names(connection),
        internal=internal,
        values=Columns(values, _row),
        lines=Columns(lines, _row),
        subjects=Columns(read_rows(connection, numbers, subjects, ("subject_id", "period_id")), _row),
        kpi_numbers=dict(connection.execute(f"select kpi, kpi_number from {internal}.int_kpi_catalogue").fetchall()),
        closed=frozenset(
            connection.execute(
                f"select period_grain, period_start from {internal_schema(connection, 'closing')}.periods"
            ).fetchall()
        ),
        excluded=all_excluded(connection, internal),
        quarantined={kpi.name: quarantined(connection, kpi) for kpi in kpis()},
    )


def _row(*row: Any) -> tuple[Any, ...]:
    return row
