"""Why figures of a period that was over differ from what was mailed, and the records behind the difference.

Two publications are compared record by record. The warehouse shows what happened to the rows behind a changed record
since the mail's publication.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import duckdb

from amkpi.core.catalogue import kpi_named
from amkpi.core.errors import ClosingsBroken
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, published_file
from amkpi.core.storage.internal_schemas import internal_schema
from amkpi.publishing.closing.changes import Cause
from amkpi.publishing.closing.files import attached
from amkpi.publishing.publication_file import as_readers_see
from amkpi.scorecards.facts import Publication, read_publication
from amkpi.scorecards.mail.history import LastSent
from amkpi.scorecards.restatements.lines import RestatedLine, scorecard_of
from amkpi.scorecards.restatements.source_rows import SourceRows, read_source_rows

# The publication of the mail is pruned, or the warehouse is being written.
UNKNOWN = "unknown"
# A closing was undone: its figures were the last that readers could rely on.
REOPENED = "reopened"


_CHANGED_RECORDS = """
    select coalesce(before.client_id, after.client_id), coalesce(before.source_id, after.source_id),
        before.staff_id, before.numerator, before.denominator, after.staff_id, after.numerator, after.denominator
    from {before} as before
    full join {after} as after
        on before.client_id is not distinct from after.client_id
        and before.source_id is not distinct from after.source_id
    where (before.staff_id, before.numerator, before.denominator) is distinct from
        (after.staff_id, after.numerator, after.denominator)
    """


@dataclass(frozen=True)
class Why:
    """causes: in the order of `Cause`, or `UNKNOWN`. records: client_id and source_id, the largest difference first."""

    causes: tuple[str, ...]
    records: tuple[tuple[str | None, str | None], ...] = ()

    def __str__(self) -> str:
        return ",".join(self.causes)


@dataclass(frozen=True)
class _Record:
    """What a record adds to a value, by whose credit; zeros where it does not count."""

    numerator: float
    denominator: float
    staff_id: str | None


_NO_RECORD = _Record(0.0, 0.0, None)
# Of a record, by client_id and source_id: then and now.
_Changes = Mapping[tuple[str | None, str | None], tuple[_Record, _Record]]


class CauseFinder:
    """Finds the causes of restated lines, from the files of a home as they are now.

    connection: the warehouse while publishing; without one, the current publication and the warehouse are opened for
    reading.
    """

    def __init__(self, home: Home, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self._home, self._given = home, connection
        self._changes = cache(self._read_changes)
        self._rows = cache(self._read_rows)
        self._team = cache(self._read_team)
        self._publication = cache(self._read_publication)

    def of(self, line: RestatedLine, lines: Iterable[RestatedLine]) -> Why:
        """Why this line differs, and the records behind it. lines: a score moved with those that it is made of."""
        try:
            found, records = self._of_score(line, lines) if line.kpi is None else self._of_kpi(line)
            found = found or self._of_no_row(line.last)
        except (ClosingsBroken, duckdb.IOException, duckdb.CatalogException, duckdb.BinderException):
            # The file is gone, damaged, being written, or of a version that had other columns.
            return Why((UNKNOWN,))
        return Why(tuple(cause.value for cause in Cause if cause in found) or (UNKNOWN,), tuple(records))

    def _of_score(
        self, line: RestatedLine, lines: Iterable[RestatedLine]
    ) -> tuple[set[Cause], list[tuple[str | None, str | None]]]:
        causes: set[Cause] = set()
        records: list[tuple[str | None, str | None]] = []
        for each in lines:
            if each.kpi is None or scorecard_of(each) != scorecard_of(line):
                continue
            found, behind = self._of_kpi(each)
            causes |= found or self._of_no_row(each.last)
            records += [record for record in behind if record not in records]
        return causes, records

    def _of_kpi(self, line: RestatedLine) -> tuple[set[Cause], list[tuple[str | None, str | None]]]:
        causes: set[Cause] = set()
        records: list[tuple[str | None, str | None]] = []
        if {"target", "weight"} & set(line.differing):
            causes |= self._of_target(line)
        if "value" in line.differing:
            found, records = self._of_value(line)
            causes |= found
        return causes, records

    def _of_target(self, line: RestatedLine) -> set[Cause]:
        rows = self._rows(line.last.publication_id, line.last.delivery, line.last.as_of)
        assert line.kpi is not None
        if rows.has_changed_target(line.kpi, line.scope, line.staff_id):
            return {Cause.targets_changed}
        # The days that count follow from the person's own rows: joining, leaving, another role.
        return set(rows.of("staff", "staff_id", line.staff_id))

    def _of_value(self, line: RestatedLine) -> tuple[set[Cause], list[tuple[str | None, str | None]]]:
        then, kpi = line.last, str(line.kpi)
        rows = self._rows(then.publication_id, then.delivery, then.as_of)
        changes = self._changes(published_file(self._home, then.publication_id), kpi, line.grain, line.period_start)
        if changes is None:
            # The publication is pruned: all rows behind this KPI are looked at.
            return {cause for extract in kpi_named(kpi).corrected_by for cause in rows.any_of(extract)}, []
        changed = [record for record, sides in changes.items() if self._counts(line, *sides)]
        changed.sort(key=lambda record: (-_difference(*changes[record]), tuple(map(str, record))))
        causes = {cause for record in changed for cause in self._of_record(kpi, record, rows)}
        return causes or self._of_other_rows(kpi, bool(changed), rows, then), changed

    def _counts(self, line: RestatedLine, *records: _Record) -> bool:
        """Whether a record counted for the line's person, team or company at either time."""
        if line.scope == "company":
            return True
        people = {line.staff_id} if line.scope == "own" else self._team(line.staff_id)
        return any(record.staff_id in people for record in records)

    def _of_record(self, kpi: str, record: tuple[str | None, str | None], rows: SourceRows) -> set[Cause]:
        client_id, source_id = record
        found: set[Cause] = set()
        for extract, column in kpi_named(kpi).corrected_by.items():
            found |= rows.of(extract, column, client_id if column == "client_id" else source_id)
        # Who gets the credit.
        return found or set(rows.of("client_assignments", "client_id", client_id))

    def _of_other_rows(self, kpi: str, has_records: bool, rows: SourceRows, then: LastSent) -> set[Cause]:
        """The causes where no row of a changed record is another one: a rate, a setting, or who was in the team."""
        reads = kpi_named(kpi).reads
        causes = rows.any_of("fx_rates") if has_records and "fx_rates" in reads else set()
        causes |= self._of_no_row(then)
        if causes and has_records:
            return causes
        return causes | rows.any_of("staff") | {cause for extract in reads for cause in rows.any_of(extract)}

    def _of_no_row(self, then: LastSent) -> set[Cause]:
        """The causes that remain where no row behind the figure changed."""
        now, found = self._publication(), set()
        if then.pipeline_version != now.pipeline_version:
            found.add(Cause.version_changed)
        if then.settings is not None and then.settings != now.settings:
            found.add(Cause.settings_changed)
        return found

    @contextmanager
    def _marts(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """What readers see: of the build while publishing, else of the current publication."""
        if self._given is not None:
            yield self._given
            return
        with duckdb.connect(str(current_file(self._home)), read_only=True) as connection:
            yield connection

    def _read_publication(self) -> Publication:
        with self._marts() as connection:
            return read_publication(connection)

    def _read_team(self, manager_id: str | None) -> frozenset[str | None]:
        """A manager, and everyone who was ever under them."""
        with self._marts() as connection:
            rows = connection.execute(
                f"select distinct staff_id from {internal_schema(connection, 'intermediate')}.int_management_chain"
                " where manager_id = ? and not is_loop",
                [manager_id],
            ).fetchall()
        return frozenset({manager_id, *(staff_id for (staff_id,) in rows)})

    def _read_changes(self, file: Path, kpi: str, grain: str, start: date) -> _Changes | None:
        """The records of which readers see something else now than in a publication's file; None if it is pruned.

        DuckDB compares: a large agency has millions of records, and few of them differ.
        """
        if not file.is_file():
            return None
        seen = "marts.kpi_evidence"
        if self._given is not None:
            seen = f"({as_readers_see('kpi_evidence', seen)})"
        with self._marts() as connection, attached(connection, file, "mailed"):
            rows = connection.execute(
                _CHANGED_RECORDS.format(before=_records("mailed.marts.kpi_evidence"), after=_records(seen)),
                {"kpi": kpi, "grain": grain, "start": start},
            ).fetchall()
        return {(client, source): (_record(*sides[:3]), _record(*sides[3:])) for client, source, *sides in rows}

    def _read_rows(self, publication_id: str, delivery: int, as_of: date) -> SourceRows:
        file, now = published_file(self._home, publication_id), self._publication()
        if self._given is not None:
            return read_source_rows(self._given, file, delivery, as_of, now.as_of)
        with duckdb.connect(str(self._home.warehouse), read_only=True) as connection:
            return read_source_rows(connection, file, delivery, as_of, now.as_of)


def _records(evidence: str) -> str:
    """Each record of a KPI and period once, with what it adds."""
    return (
        "(select client_id, source_id, max(staff_id) as staff_id, coalesce(sum(numerator), 0) as numerator,"
        " coalesce(sum(denominator), 0) as denominator"
        f" from {evidence} where kpi = $kpi and period_grain = $grain and period_start = $start"
        " group by client_id, source_id)"
    )


def _record(staff_id: str | None, numerator: float | None, denominator: float | None) -> _Record:
    return _NO_RECORD if numerator is None or denominator is None else _Record(numerator, denominator, staff_id)


def _difference(before: _Record, after: _Record) -> float:
    """How much a record moved a value; larger in amounts than in counts."""
    return abs(before.numerator - after.numerator) + abs(before.denominator - after.denominator)
