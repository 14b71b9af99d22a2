"""The records behind the values of a period, by KPI and person. They become objects where somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

import duckdb

from amkpi.core.language.periods import Period


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


_COLUMNS = (
    "kpi", "staff_id", "client_id", "event_date", "source_extract", "source_id", "numerator", "denominator",
    "record_name", "state", "due_date", "done_date", "days_late", "amount", "kind", "file_name", "line_number",
)  # fmt: skip


class Evidence:
    """The records of a period, in the order of the mart: by KPI, then by person."""

    def __init__(self, table: Any, groups: Mapping[str, Mapping[str | None, range]]) -> None:
        """table: of Arrow. groups: by KPI and person, the rows of the table."""
        self._table, self._groups = table, groups
        self._made: dict[range, tuple[EvidenceRecord, ...]] = {}

    def __len__(self) -> int:
        return sum(len(rows) for groups in self._groups.values() for rows in groups.values())

    def __iter__(self) -> Iterator[EvidenceRecord]:
        for kpi in self._groups:
            yield from self.of(kpi)

    def people(self, kpi: str) -> Collection[str | None]:
        """Who has records of a KPI. None stands for records for which nobody has the credit."""
        return self._groups.get(kpi, {}).keys()

    def of(self, kpi: str) -> list[EvidenceRecord]:
        """All records of a KPI."""
        return [record for rows in _joined(self._groups.get(kpi, {}).values()) for record in self._records(rows)]

    def of_person(self, kpi: str, staff_id: str | None) -> tuple[EvidenceRecord, ...]:
        """The records of a KPI for which a person has the credit; None: nobody."""
        rows = self._groups.get(kpi, {}).get(staff_id)
        return self._records(rows) if rows else ()

    def of_people(self, people: Collection[str | None]) -> Iterator[EvidenceRecord]:
        """The records of all KPIs for which one of these people has the credit."""
        for kpi, groups in self._groups.items():
            for staff_id in groups:
                if staff_id in people:
                    yield from self.of_person(kpi, staff_id)

    def only(self, allowed: Callable[[str, str | None], bool]) -> Evidence:
        """The records of those KPIs and people that are allowed, and no others."""
        groups = {
            kpi: {staff_id: rows for staff_id, rows in of_kpi.items() if allowed(kpi, staff_id)}
            for kpi, of_kpi in self._groups.items()
        }
        found = Evidence(self._table, groups)
        # The same records need no second making: which of them are given out, the groups alone decide.
        found._made = self._made
        return found

    def _records(self, rows: range) -> tuple[EvidenceRecord, ...]:
        if rows not in self._made:
            columns = self._table.slice(rows.start, len(rows)).columns
            self._made[rows] = tuple(
                EvidenceRecord(*row) for row in zip(*(c.to_pylist() for c in columns), strict=True)
            )
        return self._made[rows]


def _joined(ranges: Collection[range]) -> Iterator[range]:
    """Ranges in order; those that follow each other without a gap as one."""
    joined = range(0)
    for each in ranges:
        if joined and joined.stop != each.start:
            yield joined
            joined = each
        else:
            joined = range(joined.start if joined else each.start, each.stop)
    yield joined


def read_evidence(connection: duckdb.DuckDBPyConnection, period: Period) -> Evidence:
    """Read the records of a period of an open publication. One of version 0.1.0 has no details of its records."""
    present = {row[0] for row in connection.execute("describe kpi_evidence").fetchall()}
    return evidence_of(
        connection.sql(
            f"select {', '.join(name if name in present else f'null as {name}' for name in _COLUMNS)}"
            " from kpi_evidence where period_grain = ? and period_start = ? order by all",
            params=[period.grain, period.start],
        ).to_arrow_table()
    )


def evidence_of(table: Any) -> Evidence:
    """The records of a table of Arrow with the fields of `EvidenceRecord`, in the order of KPI and person."""
    keys = zip(table.column("kpi").to_pylist(), table.column("staff_id").to_pylist(), strict=True)
    groups: dict[str, dict[str | None, range]] = {}
    first = 0
    for (kpi, staff_id), rows in groupby(keys):
        last = first + sum(1 for _ in rows)
        groups.setdefault(kpi, {})[staff_id] = range(first, last)
        first = last
    return Evidence(table, groups)
