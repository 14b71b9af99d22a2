"""The records behind the values of a period, by KPI and person. They become objects where somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
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


class EvidenceTable:
    """Records of a period in columns, in the order of KPI and person. They become objects where they are asked for."""

    def __init__(self, table: Any, groups: Mapping[str, Mapping[str | None, range]]) -> None:
        """table: of Arrow. groups: by KPI and person, the rows of the table. None: records that are nobody's."""
        self._table, self.groups = table, groups
        self._made: dict[range, tuple[EvidenceRecord, ...]] = {}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def records(self, rows: range) -> tuple[EvidenceRecord, ...]:
        """The records of rows of the table."""
        if rows not in self._made:
            columns = self._table.slice(rows.start, len(rows)).columns
            cells = zip(*(column.to_pylist() for column in columns), strict=True)
            self._made[rows] = tuple(EvidenceRecord(*row) for row in cells)
        return self._made[rows]


@dataclass(frozen=True)
class Evidence:
    """The records of a period that may be seen.

    load: a table that has all records of these people, for which they have the credit; None: of everybody and nobody.
    allowed: whether the records of a KPI and person may be seen.
    """

    load: Callable[[frozenset[str | None] | None], EvidenceTable]
    allowed: Callable[[str, str | None], bool] = lambda kpi, staff_id: True

    def __iter__(self) -> Iterator[EvidenceRecord]:
        for kpi in self.load(None).groups:
            yield from self.of(kpi)

    def of(self, kpi: str) -> list[EvidenceRecord]:
        """All records of a KPI."""
        table = self.load(None)
        ranges = (rows for staff_id, rows in table.groups.get(kpi, {}).items() if self.allowed(kpi, staff_id))
        return [record for rows in _joined(ranges) for record in table.records(rows)]

    def of_people(self, people: Collection[str | None], kpi: str | None = None) -> list[EvidenceRecord]:
        """The records for which one of these people has the credit; of one KPI, or of all."""
        table = self.load(frozenset(people))
        found = []
        for each in table.groups if kpi is None else (kpi,):
            groups = table.groups.get(each, {})
            found += [groups[who] for who in people if who in groups and self.allowed(each, who)]
        return [record for rows in sorted(found, key=lambda rows: rows.start) for record in table.records(rows)]

    def only(self, allowed: Callable[[str, str | None], bool]) -> Evidence:
        """The records of those KPIs and people that are allowed besides, and no others."""
        return Evidence(self.load, lambda kpi, staff_id: self.allowed(kpi, staff_id) and allowed(kpi, staff_id))


def _joined(ranges: Iterable[range]) -> Iterator[range]:
    """Ranges in order; those that follow each other without a gap as one."""
    joined = range(0)
    for each in ranges:
        if joined and joined.stop != each.start:
            yield joined
            joined = each
        else:
            joined = range(joined.start if joined else each.start, each.stop)
    yield joined


@dataclass(frozen=True)
class EvidenceSource:
    """How records of a publication are read. columns: SQL of each. counts: of the records of a period, by its key."""

    columns: str
    counts: Mapping[tuple[str, date], int]

    def read(
        self, connection: duckdb.DuckDBPyConnection, period: Period, people: Collection[str | None] | None = None
    ) -> EvidenceTable:
        """Read the records of a period of an open publication: of these people, or all without them."""
        of_people = "" if people is None else " and list_contains($people, staff_id)"
        given = {} if people is None else {"people": [staff_id for staff_id in people if staff_id is not None]}
        return evidence_of(
            connection.sql(
                f"select {self.columns} from kpi_evidence"
                f" where period_grain = $grain and period_start = $start{of_people} order by all",
                params={"grain": period.grain, "start": period.start, **given},
            ).to_arrow_table()
        )

    def count(self, period: Period) -> int:
        """How many records a period has."""
        return self.counts.get((period.grain, period.start), 0)


def read_evidence_source(connection: duckdb.DuckDBPyConnection) -> EvidenceSource:
    """Read how the records of an open publication are read. One of version 0.1.0 has no details of its records."""
    present = {row[0] for row in connection.execute("describe kpi_evidence").fetchall()}
    rows = connection.execute("select period_grain, period_start, count(*) from kpi_evidence group by all").fetchall()
    return EvidenceSource(
        ", ".join(name if name in present else f"null as {name}" for name in _COLUMNS),
        {(grain, start): count for grain, start, count in rows},
    )


def evidence_of(table: Any) -> EvidenceTable:
    """The records of a table of Arrow with the fields of `EvidenceRecord`, in the order of KPI and person."""
    keys = zip(table.column("kpi").to_pylist(), table.column("staff_id").to_pylist(), strict=True)
    groups: dict[str, dict[str | None, range]] = {}
    first = 0
    for (kpi, staff_id), rows in groupby(keys):
        last = first + sum(1 for _ in rows)
        groups.setdefault(kpi, {})[staff_id] = range(first, last)
        first = last
    return EvidenceTable(table, groups)
