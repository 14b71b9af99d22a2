"""The people, teams and clients of a publication; for a closed period those of the day it was closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import duckdb

from amkpi.core.storage.internal_schemas import internal_schema


@dataclass(frozen=True)
class StaffMember:
    """A person as `dim_staff` has them on the day of a publication."""

    staff_id: str
    full_name: str
    role: str
    manager_id: str | None
    email: str | None
    locale: str | None
    is_active: bool
    valid_from: date


@dataclass(frozen=True)
class ManagedSpan:
    """The days on which somebody managed a person, directly or through others; both days included."""

    manager_id: str
    first: date
    last: date


class Managers(dict[str, tuple[ManagedSpan, ...]]):
    """By staff_id, the days on which others managed a person."""

    @cached_property
    def teams(self) -> dict[str, frozenset[str]]:
        """By staff_id, everyone whom a person ever managed."""
        found: dict[str, set[str]] = {}
        for staff_id, spans in self.items():
            for span in spans:
                found.setdefault(span.manager_id, set()).add(staff_id)
        return {manager_id: frozenset(team) for manager_id, team in found.items()}


@dataclass(frozen=True)
class Names:
    """Everybody and every client as of one day, by id. managers: by the staff_id of who was managed."""

    as_of: date
    people: Mapping[str, StaffMember]
    managers: Managers
    clients: Mapping[str, str]

    def under(self, manager_id: str | None) -> frozenset[str]:
        """Everyone who was ever in this person's team."""
        return self.managers.teams.get(manager_id or "", frozenset())

    def or_else(self, other: Names) -> Names:
        """These names, and those of another day for the ids that are unknown here. The teams are only these."""
        return Names(self.as_of, {**other.people, **self.people}, self.managers, {**other.clients, **self.clients})


def read_people(connection: duckdb.DuckDBPyConnection) -> dict[str, StaffMember]:
    """Everybody of a publication or a closing file, by staff id."""
    return {
        row[0]: StaffMember(*row)
        for row in connection.execute(
            "select staff_id, full_name, role, manager_id, email, locale, is_active, valid_from from dim_staff"
        ).fetchall()
    }


def read_names(connection: duckdb.DuckDBPyConnection) -> Names:
    """The names of a publication, or of a closing file: the tables of both have the same names."""
    ((as_of,),) = connection.execute("select as_of from publication").fetchall()
    people = read_people(connection)
    managers: dict[str, list[ManagedSpan]] = {}
    for staff_id, *span in connection.execute(
        "select staff_id, manager_id, valid_from, valid_to from"
        f" {internal_schema(connection, 'intermediate')}.int_management_chain"
        " where not is_loop order by all"
    ).fetchall():
        managers.setdefault(staff_id, []).append(ManagedSpan(*span))
    clients = connection.execute("select client_id, coalesce(client_name, client_id) from dim_client").fetchall()
    spans = Managers({staff_id: tuple(found) for staff_id, found in managers.items()})
    return Names(as_of, people, spans, dict(clients))
