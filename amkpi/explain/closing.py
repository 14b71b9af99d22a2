"""What `amkpi explain` shows of a closed period: what was closed, what later closings took up, what is open, and fresh.

The value as closed is in the publication. The records behind it are in the closing file, which stays when the
publication that was closed is long pruned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from amkpi.core.language.periods import Period
from amkpi.core.storage.internal_schemas import internal_schema


@dataclass(frozen=True)
class Figures:
    """The figures of a value; a ratio's value is from 0 to 1."""

    numerator: float | None
    denominator: float | None
    sample_size: int
    value: float | None


@dataclass(frozen=True)
class Adjustment:
    """A difference to what was closed. carried_to: the period by which a later closing took it up; None: it is open.

    fresh_value: what the period gave when it was taken up, or gives now. cause: joined by commas.
    """

    carried_to: date | None
    numerator: float
    denominator: float
    sample_size: int
    fresh_value: float | None
    cause: str
    first_seen_at: datetime


@dataclass(frozen=True)
class AdjustmentRecord:
    """A record that counts on one side alone. side: closed or fresh; carried_to as in Adjustment."""

    side: str
    carried_to: date | None
    event_date: date
    client_id: str | None
    client_name: str | None
    extract: str
    source_id: str | None
    staff_id: str | None
    full_name: str | None
    numerator: float
    denominator: float | None


@dataclass(frozen=True)
class Closing:
    """The closing of a period. n: the number of the act; as_of: the date of the publication that was closed.

    fresh: what the period gives today, from all records; None where it has no such row today.
    """

    n: int
    closed_at: datetime
    closed_by: str
    note: str | None
    as_of: date
    publication_id: str
    closed: Figures
    adjustments: tuple[Adjustment, ...] = ()
    fresh: Figures | None = None
    records: tuple[AdjustmentRecord, ...] = ()


def act_of(connection: duckdb.DuckDBPyConnection, period: Period) -> int | None:
    """The number of the act that closed the period, by the publication; None while it is open."""
    found = connection.execute(
        f"select n from {internal_schema(connection, 'closing')}.periods where period_grain = ? and period_start = ?",
        [period.grain, period.start],
    ).fetchall()
    return found[0][0] if found else None


def read_closing(
    connection: duckdb.DuckDBPyConnection,
    of_closing: duckdb.DuckDBPyConnection,
    n: int,
    kpi: str,
    scope: str,
    staff_id: str | None,
    period: Period,
) -> Closing:
    """The closing of a period as it concerns one value.

    connection: the publication; of_closing: the closing file.
    """
    row = {"kpi": kpi, "scope": scope, "staff_id": staff_id, "grain": period.grain, "start": period.start}
    of_row = (
        "kpi = $kpi and scope = $scope and staff_id is not distinct from $staff_id and period_grain = $grain"
        " and period_start = $start"
    )
    at, by, note, as_of, publication_id = connection.execute(
        "select closed_at, closed_by, note, as_of, publication_id from closings"
        " where n = ? and period_grain = ? and period_start = ?",
        [n, period.grain, period.start],
    ).fetchall()[0]
    figures = f"select numerator, denominator, sample_size, value from {{}} where {of_row}"
    closed = connection.execute(figures.format("kpi_values"), row).fetchall()
    fresh = connection.execute(figures.format(f"{internal_schema(connection, 'fresh')}.kpi_values"), row).fetchall()
    adjustments = connection.execute(
        "select carried_to, numerator::double, denominator::double, sample_size, fresh_value, cause, first_seen_at"
        f" from adjustments where {of_row} order by carried_to nulls last",
        row,
    ).fetchall()
    return Closing(
        n=n,
        closed_at=at,
        closed_by=by,
        note=note,
        as_of=as_of,
        publication_id=publication_id,
        closed=Figures(*closed[0]) if closed else Figures(None, None, 0, None),
        adjustments=tuple(Adjustment(*each) for each in adjustments),
        fresh=Figures(*fresh[0]) if fresh else None,
        records=_records(connection, of_closing, kpi, scope, staff_id, period) if adjustments else (),
    )


def _records(
    connection: duckdb.DuckDBPyConnection,
    of_closing: duckdb.DuckDBPyConnection,
    kpi: str,
    scope: str,
    staff_id: str | None,
    period: Period,
) -> tuple[AdjustmentRecord, ...]:
    """The records behind the adjustments, by date; of a team those of who was under the person then or now."""
    people = {staff_id}
    if scope == "team":
        for each in (connection, of_closing):
            people |= {
                person
                for (person,) in each.execute(
                    f"select distinct staff_id from {internal_schema(each, 'intermediate')}.int_management_chain"
                    " where manager_id = ? and not is_loop and valid_from <= ? and valid_to >= ?",
                    [staff_id, period.end, period.start],
                ).fetchall()
            }
    rows = connection.execute(
        """
        select records.side, records.carried_to, records.event_date, records.client_id,
            coalesce(clients.client_name, records.client_id), records.source_extract, records.source_id,
            records.staff_id, coalesce(staff.full_name, records.staff_id), records.numerator, records.denominator
        from adjustment_evidence as records
        left join dim_client as clients on records.client_id = clients.client_id
        left join dim_staff as staff on records.staff_id = staff.staff_id
        where records.kpi = $kpi and records.period_grain = $grain and records.period_start = $start
            and ($scope = 'company' or list_contains($people, records.staff_id))
        order by records.carried_to nulls last, records.event_date, records.source_id, records.side
        """,
        {
            "kpi": kpi,
            "grain": period.grain,
            "start": period.start,
            "scope": scope,
            "people": sorted(str(person) for person in people),
        },
    ).fetchall()
    return tuple(AdjustmentRecord(*row) for row in rows)
