"""Why a value of a closed period differs from what was mailed.

Two publications are compared record by record. The warehouse shows when each row behind a changed record was delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from amkpi.core.catalogue import kpi_named, kpis
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, published_file
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.scorecards.mail.history import History, LastSentValue, ValueKey, differs, last_sent_values


class Cause(StrEnum):
    """The cause of a restatement, as `marts.restatements` has it.

    unknown: the publication of the mail is pruned, or the warehouse is being written.
    """

    late_rows = "late_rows"
    corrected_rows = "corrected_rows"
    deleted_rows = "deleted_rows"
    released_rows = "released_rows"
    settings_or_version = "settings_or_version"
    unknown = "unknown"


# Where rows of several kinds changed one value, the first of these is reported.
_ORDER = (Cause.deleted_rows, Cause.corrected_rows, Cause.late_rows, Cause.released_rows)
# Rows that decide who gets the credit: looked at where no row of the record itself changed.
_CREDIT = (("client_assignments", "client_id", "client_id"),)

_Evidence = dict[tuple[str | None, str | None], tuple[float, float, str | None]]


@cache
def _source_rows(kpi: str) -> tuple[tuple[str, str, str], ...]:
    """The rows behind a record of a KPI: extract, its key column, and the column with the id of the record."""
    corrected_by = kpi_named(kpi).corrected_by
    return tuple((extract, EXTRACTS[extract].key[0], column) for extract, column in corrected_by.items())


def causes(home: Home) -> Callable[[ValueKey, LastSentValue], Cause]:
    """A function that finds why a value differs from the last mail, from the files of this home as they are now."""
    return _CauseFinder(home).of


@dataclass(frozen=True)
class Restatement:
    """A row of `marts.restatements`: a value of a closed period that differs from the last mail to anybody."""

    kpi: str
    scope: str
    staff_id: str | None
    period_grain: str
    period_start: date
    value_then: float | None
    value_now: float | None
    cause: str
    told_publication_id: str


def restatements(
    home: Home, connection: duckdb.DuckDBPyConnection, values: str = "marts.kpi_values"
) -> list[Restatement]:
    """The rows of `marts.restatements` for the marts that `connection` has as `marts`.

    connection may be the warehouse before publishing. values: the relation with what readers see, in the columns of
    kpi_values: it is compared with the history.
    """
    sent = last_sent_values(History(home.state).read())
    if not sent:
        return []
    now = {
        (scope, staff_id, kpi, grain, start): value
        for scope, staff_id, kpi, grain, start, value in connection.execute(
            f"select scope, staff_id, kpi, period_grain, period_start, value from {values}"
        ).fetchall()
    }
    why = _CauseFinder(home, connection).of
    return [
        Restatement(kpi, scope, staff_id, grain, start, then.value, now.get(key), why(key, then), then.publication_id)
        for key, then in sorted(sent.items(), key=lambda each: tuple(map(str, each[0])))
        for scope, staff_id, kpi, grain, start in [key]
        if differs(then.value, now.get(key))
    ]


class _CauseFinder:
    def __init__(self, home: Home, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self._home = home
        self._given = connection
        self._evidence = cache(self._read_evidence)
        self._later_rows = cache(self._read_later_rows)
        self._quarantined = cache(self._read_quarantined)

    def of(self, key: ValueKey, then: LastSentValue) -> Cause:
        """Why this value differs."""
        scope, staff_id, kpi, grain, start = key
        try:
            old = self._evidence(published_file(self._home, then.publication_id), kpi, grain, start)
            new = self._evidence(None, kpi, grain, start)
            if old is None or new is None:
                return self._by_deliveries(kpi, then)
            changed = {
                record
                for record in old.keys() | new.keys()
                if old.get(record) != new.get(record)
                and (scope != "own" or staff_id in (old.get(record, (0, 0, None))[2], new.get(record, (0, 0, None))[2]))
            }
            found = {self._of_record(kpi, record, old, new, then) for record in changed}
        except duckdb.Error:
            return Cause.unknown
        return next((cause for cause in _ORDER if cause in found), Cause.settings_or_version)

    def _of_record(
        self, kpi: str, record: tuple[str | None, str | None], old: _Evidence, new: _Evidence, then: LastSentValue
    ) -> Cause:
        client_id, source_id = record
        wanted = (new.get(record) or old[record])[2] if kpi_named(kpi).private else source_id
        for sources, value in ((_source_rows(kpi), wanted), (_CREDIT, client_id)):
            found = {
                cause
                for extract, key, column in sources
                for cause in self._later_rows(extract, key, column, then.delivery).get(value, ())
            }
            for cause in _ORDER:
                if cause in found:
                    return cause
            if sources is not _CREDIT and record not in old:
                held = self._quarantined(published_file(self._home, then.publication_id))
                if any((extract, value) in held for extract, _, _ in sources):
                    return Cause.released_rows
        if any((extract, wanted) in self._quarantined(published_file(self._home, then.publication_id))
               for extract, _, _ in _source_rows(kpi)):  # fmt: skip
            return Cause.released_rows
        return Cause.settings_or_version

    def _by_deliveries(self, kpi: str, then: LastSentValue) -> Cause:
        """The cause by all rows behind this KPI, where the publication of the mail is pruned."""
        found = {
            cause
            for extract, key, column in _source_rows(kpi)
            for kinds in self._later_rows(extract, key, column, then.delivery).values()
            for cause in kinds
        }
        return next((cause for cause in _ORDER if cause in found), Cause.unknown)

    @contextmanager
    def _connection(self, file: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
        """The file of a publication; without one, the newest marts."""
        if file is None and self._given is not None:
            yield self._given
            return
        chosen = file or current_file(self._home)
        with duckdb.connect(str(chosen), read_only=True) as connection:
            yield connection

    def _read_evidence(self, file: Path | None, kpi: str, grain: str, start: date) -> _Evidence | None:
        if file is not None and not file.is_file():
            return None
        with self._connection(file) as connection:
            rows = connection.execute(
                "select client_id, source_id, staff_id, sum(numerator), sum(denominator) from marts.kpi_evidence"
                " where kpi = ? and period_grain = ? and period_start = ? group by all",
                [kpi, grain, start],
            ).fetchall()
        # A private KPI has one row for each person: the person takes the place of the record.
        return {
            (client, source if source is not None else staff): (num or 0.0, den or 0.0, staff)
            for client, source, staff, num, den in rows
        }

    def _read_quarantined(self, file: Path) -> frozenset[tuple[str, str]]:
        """The rows in quarantine when that publication was made, as (extract, id of the record)."""
        if not file.is_file():
            return frozenset()
        with self._connection(file) as connection:
            places = connection.execute(
                "select q.extract, l.delivery, q.line_number from marts.quarantined_rows as q"
                " inner join marts.load_ledger as l on l.file_name = q.file_name and l.extract = q.extract"
            ).fetchall()
        found: set[tuple[str, str]] = set()
        with self._warehouse() as connection:
            for extract, _, column in {each for kpi in kpis() for each in _source_rows(kpi.name)}:
                lines = {(delivery, line) for name, delivery, line in places if name == extract}
                if lines:
                    found |= {
                        (extract, value)
                        for value, delivery, line in connection.execute(
                            f"select {column}, _delivery, _line from parsed.{extract}"
                        ).fetchall()
                        if (delivery, line) in lines
                    }
        return frozenset(found)

    def _read_later_rows(self, extract: str, key: str, column: str, delivery: int) -> dict[str | None, set[Cause]]:
        """For each id in rows that were delivered later: whether those rows were new, corrected or deleted."""
        with self._warehouse() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(
                f"""
                select
                    {column},
                    coalesce(is_deleted, false),
                    exists (
                        select 1 from parsed.{extract} as before
                        where before.{key} = later.{key} and before._delivery <= ? and before._reason is null
                    )
                from parsed.{extract} as later
                where _delivery > ?
                """,
                [delivery, delivery],
            ).fetchall()
            deleted = connection.execute(
                f"""
                select distinct before.{column} from parsed.{extract} as before
                inner join parsed.{extract} as later on before.{key} = later.{key}
                where later._delivery > ? and later.is_deleted and before._delivery <= ?
                """,
                [delivery, delivery],
            ).fetchall()
        found: dict[str | None, set[Cause]] = {}
        for value, is_deleted, was_there in rows:
            cause = Cause.deleted_rows if is_deleted else Cause.corrected_rows if was_there else Cause.late_rows
            found.setdefault(value, set()).add(cause)
        # A deleting row has only its key: the client or project is in the row that it deletes.
        for (value,) in deleted:
            found.setdefault(value, set()).add(Cause.deleted_rows)
        return found

    @contextmanager
    def _warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._given is not None:
            yield self._given
            return
        with duckdb.connect(str(self._home.warehouse), read_only=True) as connection:
            yield connection
