"""The rights of every reader of a publication, as the rows of the tables that the policies ask."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import duckdb

from amkpi.access.clients import read_credited, visible_clients, whole_clients
from amkpi.access.names import Names, read_names
from amkpi.access.reader import Reader, address_key, reader_of, reader_of_address
from amkpi.core.errors import AmkpiError
from amkpi.core.settings import Settings

# The login role of a person, and of an address in the settings `analysts` or `operators`. Two prefixes, because a staff
# id may look like an address: who has that id must not get the rights of who has that address.
PERSON = "amkpi_reader_"
ADDRESS = "amkpi_address_"
# PostgreSQL cuts longer names off, so that two roles could become one.
_LONGEST_NAME = 63


@dataclass(frozen=True)
class RoleRights:
    """The rights of one role.

    reader: the staff id, or the address, that a pooled tool names. grants: ids by level, without those that a flag
    gives already: `person`, `team`, `name`, `client`, `whole_client`.
    """

    role: str
    reader: str
    staff_id: str | None
    company: bool
    data: bool
    everything: bool
    grants: Mapping[str, frozenset[str]]

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """The rows of the table of grants: role, level, id."""
        for level, ids in self.grants.items():
            yield from ((self.role, level, each) for each in sorted(ids))


def role_name(prefix: str, key: str) -> str:
    """The role of a staff id or address; a long one is cut and gets a hash of the whole."""
    name = prefix + key
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    cut = name.encode()[: _LONGEST_NAME - 1 - len(digest)].decode(errors="ignore")
    return f"{cut}_{digest}"


def all_rights(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[RoleRights]:
    """The rights of every reader of an open publication. Raises AmkpiError where two readers would share a role."""
    names = read_names(connection)
    credited = read_credited(connection)
    managers = dict(connection.execute("select client_id, manager_id from dim_client").fetchall())
    found: dict[str, RoleRights] = {}
    for role, key, reader in _readers(names, settings):
        if role in found:
            raise AmkpiError(f"the readers {found[role].reader!r} and {key!r} would share the PostgreSQL role {role}")
        found[role] = _rights(role, key, reader, managers, credited)
    return list(found.values())


def _readers(names: Names, settings: Settings) -> Iterator[tuple[str, str, Reader]]:
    for staff_id in sorted(names.people):
        reader = reader_of(names, staff_id, settings)
        # PostgreSQL has no character 0, not even quoted.
        if reader is not None and "\0" not in staff_id:
            yield role_name(PERSON, staff_id), staff_id, reader
    listed = (*settings.pages.analysts, *settings.pages.operators)
    for address in sorted({address_key(entry) for entry in listed if "@" in entry}):
        reader = reader_of_address(names, address, settings)
        if reader is not None:
            yield role_name(ADDRESS, address), address, reader


def _rights(
    role: str,
    key: str,
    reader: Reader,
    managers: Mapping[str, str | None],
    credited: Mapping[str, Collection[str | None]],
) -> RoleRights:
    grants: dict[str, frozenset[str]] = {}
    if not reader.everything:
        grants = {"person": reader.people, "team": reader.teams, "name": reader.named}
        if not reader.company:
            readable = visible_clients(reader, managers, credited)
            grants |= {"client": readable, "whole_client": whole_clients(reader, readable, credited)}
    return RoleRights(role, key, reader.staff_id, reader.company, reader.data, reader.everything, grants)
