"""Why a value of a closed period is another one than was told.

Two publications are compared record by record; the warehouse says when each row behind a changed record was delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, published_file
from amkpi.scorecards.mail.history import History, LastTold, ValueKey, last_told, moved


class Cause(StrEnum):
    """What moved a value, as `marts.restatements` names it. unknown: the publication told of is pruned, or the
    warehouse is being written."""

    late_rows = "late_rows"
    corrected_rows = "corrected_rows"
    deleted_rows = "deleted_rows"
    released_rows = "released_rows"
    settings_or_version = "settings_or_version"
    unknown = "unknown"


# Where several rows moved one value, the first of these that is among them is named.
_ORDER = (Cause.deleted_rows, Cause.corrected_rows, Cause.late_rows, Cause.released_rows)
# The rows behind a record of a KPI: extract, its key column, and the column that holds the record's id.
_BEHIND: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "client_revenue": (("contracts", "contract_id", "contract_id"),),
    "client_retention_rate": (("contracts", "contract_id", "client_id"),),
    "on_time_delivery_rate": (("projects", "project_id", "project_id"),),
    "client_satisfaction": (("client_surveys", "response_id", "response_id"),),
    "contract_win_rate": (("proposals", "proposal_id", "proposal_id"),),
    "upsell_cross_sell_rate": (("contracts", "contract_id", "client_id"),),
    "cost_to_budget_ratio": (("projects", "project_id", "project_id"), ("project_costs", "cost_id", "project_id")),
    "internal_collaboration_score": (("peer_reviews", "review_id", "account_manager_id"),),
}
# Who gets the credit, where no row of the record itself was touched.
_CREDIT = (("client_assignments", "client_id", "client_id"),)

_Evidence = dict[tuple[str | None, str | None], tuple[float, float, str | None]]


def causes(home: Home) -> Callable[[ValueKey, LastTold], Cause]:
    """A function that says why a value moved since it was told, by the files of this home as they are now."""
    return _Causes(home).of


@dataclass(frozen=True)
class Restatement:
    """A row of `marts.restatements`: a value of a closed period that is another one than was last told anybody."""

    kpi: str
    scope: str
    staff_id: str | None
    period_grain: str
    period_start: date
    value_then: float | None
    value_now: float | None
    cause: str
    told_publication_id: str


def restatements(home: Home, connection: duckdb.DuckDBPyConnection) -> list[Restatement]:
    """The rows of `marts.restatements` for the marts that `connection` has as `marts`.

    connection may be the warehouse before publishing: what is compared is `marts.kpi_values` against the history.
    """
    told = last_told(History(home.state).read())
    if not told:
        return []
    now = {
        (scope, staff_id, kpi, grain, start): value
        for scope, staff_id, kpi, grain, start, value in connection.execute(
            "select scope, staff_id, kpi, period_grain, period_start, value from marts.kpi_values"
        ).fetchall()
    }
    why = _Causes(home, connection).of
    return [
        Restatement(kpi, scope, staff_id, grain, start, then.value, now.get(key), why(key, then), then.publication_id)
        for key, then in sorted(told.items(), key=lambda each: tuple(map(str, each[0])))
        for scope, staff_id, kpi, grain, start in [key]
        if moved(then.value, now.get(key))
    ]


class _Causes:
    def __init__(self, home: Home, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self._home = home
        self._open_one = connection
        self._evidence = cache(self._read_evidence)
        self._touched = cache(self._read_touched)
        self._held = cache(self._read_held)

    def of(self, key: ValueKey, then: LastTold) -> Cause:
        """Why this value moved."""
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
        self, kpi: str, record: tuple[str | None, str | None], old: _Evidence, new: _Evidence, then: LastTold
    ) -> Cause:
        client_id, source_id = record
        wanted = source_id if kpi != "internal_collaboration_score" else (new.get(record) or old[record])[2]
        for behind, value in ((_BEHIND[kpi], wanted), (_CREDIT, client_id)):
            found = {
                cause
                for extract, key, column in behind
                for cause in self._touched(extract, key, column, then.delivery).get(value, ())
            }
            for cause in _ORDER:
                if cause in found:
                    return cause
            if behind is not _CREDIT and record not in old:
                held = self._held(published_file(self._home, then.publication_id))
                if any((extract, value) in held for extract, _, _ in behind):
                    return Cause.released_rows
        if any((extract, wanted) in self._held(published_file(self._home, then.publication_id))
               for extract, _, _ in _BEHIND[kpi]):  # fmt: skip
            return Cause.released_rows
        return Cause.settings_or_version

    def _by_deliveries(self, kpi: str, then: LastTold) -> Cause:
        """Without the publication told of: what any row behind this KPI says."""
        found = {
            cause
            for extract, key, column in _BEHIND[kpi]
            for causes_ in self._touched(extract, key, column, then.delivery).values()
            for cause in causes_
        }
        return next((cause for cause in _ORDER if cause in found), Cause.unknown)

    @contextmanager
    def _connection(self, file: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A publication's file, or without one the newest marts."""
        if file is None and self._open_one is not None:
            yield self._open_one
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
        # The collaboration score has one row a person: the person stands for the record.
        return {
            (client, source if source is not None else staff): (num or 0.0, den or 0.0, staff)
            for client, source, staff, num, den in rows
        }

    def _read_held(self, file: Path) -> frozenset[tuple[str, str]]:
        """What was in quarantine when that publication was made: every id that its rows name, by extract."""
        if not file.is_file():
            return frozenset()
        with self._connection(file) as connection:
            places = connection.execute(
                "select q.extract, l.delivery, q.line_number from marts.quarantined_rows as q"
                " inner join marts.load_ledger as l on l.file_name = q.file_name and l.extract = q.extract"
            ).fetchall()
        found: set[tuple[str, str]] = set()
        with self._warehouse() as connection:
            for extract, _, column in {each for behind in _BEHIND.values() for each in behind}:
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

    def _read_touched(self, extract: str, key: str, column: str, delivery: int) -> dict[str | None, set[Cause]]:
        """For each id that rows delivered later name: whether those were new, corrected or deleted rows."""
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
        # A deleting row needs only its key: which client or project it was about, its former self says.
        for (value,) in deleted:
            found.setdefault(value, set()).add(Cause.deleted_rows)
        return found

    @contextmanager
    def _warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._open_one is not None:
            yield self._open_one
            return
        with duckdb.connect(str(self._home.warehouse), read_only=True) as connection:
            yield connection
