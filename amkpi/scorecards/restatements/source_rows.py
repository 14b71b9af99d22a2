"""What happened to source rows since a publication: the causes by the ids of the rows."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from amkpi.core.catalogue import kpis
from amkpi.publishing.closing.changes import COMPARED, Cause, Then, compare

# By extract, the columns by which credit, days that count and rates name its rows.
_SHARED = {"client_assignments": ("client_id",), "staff": ("staff_id",), "fx_rates": ("currency",)}


def _columns(extract: str) -> set[str]:
    """The columns by which records of KPIs name the rows of an extract."""
    return {
        *_SHARED.get(extract, ()),
        *(kpi.corrected_by[extract] for kpi in kpis() if extract in kpi.corrected_by),
    }


@dataclass(frozen=True)
class _ChangedTarget:
    kpi: str
    scope: str
    staff_id: str | None
    role: str | None


@dataclass(frozen=True)
class SourceRows:
    """The rows that differ from those of a publication.

    by_id: extract, column and id to the causes. targets: of which targets a row changed. roles: by staff_id, all that
    the person ever had.
    """

    by_id: dict[tuple[str, str, str], frozenset[Cause]]
    targets: tuple[_ChangedTarget, ...]
    roles: dict[str, frozenset[str]]

    def of(self, extract: str, column: str, wanted: str | None) -> Set[Cause]:
        """What happened to the rows with this id."""
        return self.by_id.get((extract, column, wanted or ""), frozenset())

    def any_of(self, extract: str) -> set[Cause]:
        """What happened to any row of the extract."""
        return {cause for (name, _, _), causes in self.by_id.items() if name == extract for cause in causes}

    def has_changed_target(self, kpi: str, scope: str, staff_id: str | None) -> bool:
        """Whether a row of the targets changed that can be in force for a line of a scorecard."""
        roles = self.roles.get(staff_id or "", frozenset())
        return any(
            row.kpi == kpi
            and row.scope == scope
            and row.staff_id in (None, staff_id)
            and (row.role is None or row.role in roles)
            for row in self.targets
        )


def read_source_rows(
    connection: duckdb.DuckDBPyConnection, file: Path, delivery: int, as_of: date, now: date
) -> SourceRows:
    """Compare the rows of the warehouse with those that a publication knew.

    file, delivery, as_of: of the publication; if its file is pruned, nothing counts as held back then. now: the date of
    the marts that it is compared with. Makes temp tables. Raises duckdb.Error where the warehouse cannot be read.
    """
    _read_held(connection, file)
    compare(connection, Then(delivery, as_of, "held_at_mail", now), now)
    by_id: dict[tuple[str, str, str], set[Cause]] = {}
    for extract in COMPARED:
        same_key = " and ".join(f"rows.{name} is not distinct from changed.{name}" for name in extract.key)
        for column in _columns(extract.name):
            for relation in (f"then_{extract.name}", f"valid.{extract.name}"):
                rows = connection.execute(
                    f"select distinct rows.{column}, changed.cause, changed.is_decided"
                    f" from changed_{extract.name} as changed inner join {relation} as rows on {same_key}"
                ).fetchall()
                for wanted, cause, is_decided in rows:
                    found = by_id.setdefault((extract.name, column, str(wanted)), set())
                    found.add(Cause(cause))
                    if is_decided:
                        found.add(Cause.decided_since)
            rows = connection.execute(
                f"select distinct rows.{column}, changed.is_since, changed.is_decided from since_{extract.name}"
                f" as changed inner join valid.{extract.name} as rows on {same_key}"
            ).fetchall()
            for wanted, is_since, is_decided in rows:
                found = by_id.setdefault((extract.name, column, str(wanted)), set())
                found |= {Cause.happened_since} if is_since else set()
                found |= {Cause.decided_since} if is_decided else set()
    targets = connection.execute("select distinct kpi, scope, staff_id, role from changed_kpi_targets").fetchall()
    roles: dict[str, set[str]] = {}
    for staff_id, role in connection.execute("select distinct staff_id, role from valid.staff").fetchall():
        roles.setdefault(staff_id, set()).add(role)
    return SourceRows(
        {key: frozenset(causes) for key, causes in by_id.items()},
        tuple(_ChangedTarget(*row) for row in targets),
        {staff_id: frozenset(each) for staff_id, each in roles.items()},
    )


def _read_held(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Make the temp table `held_at_mail`: the rows that were in quarantine in the publication."""
    connection.execute(
        "create or replace temp table held_at_mail (extract varchar, delivery bigint, line_number bigint)"
    )
    if not file.is_file():
        return
    with duckdb.connect(str(file), read_only=True) as publication:
        columns = {name for name, *_ in publication.execute("describe marts.quarantined_rows").fetchall()}
        if "delivery_row" in columns:
            rows = publication.execute("select extract, delivery, delivery_row from marts.quarantined_rows").fetchall()
        else:
            # Of a version that named the file and the line alone.
            rows = publication.execute(
                "select held.extract, ledger.delivery, held.line_number from marts.quarantined_rows as held"
                " inner join marts.load_ledger as ledger"
                " on ledger.file_name = held.file_name and ledger.extract = held.extract"
            ).fetchall()
    if rows:
        connection.executemany(
            "insert into held_at_mail (extract, delivery, line_number) values (?, ?, ?)", [list(row) for row in rows]
        )
