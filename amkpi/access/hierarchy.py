"""Who is above and below whom, by `manager_id` of the staff extract."""

from __future__ import annotations

from collections.abc import Mapping

from amkpi.access.names import Names, StaffMember


def started(names: Names) -> dict[str, StaffMember]:
    """The people who have started by the day of these names, active or not, by staff id."""
    return {staff_id: person for staff_id, person in names.people.items() if person.valid_from <= names.as_of}


def managers_of(person: StaffMember, people: Mapping[str, StaffMember]) -> tuple[str, ...]:
    """The staff ids above a person, the nearest first. A loop ends before it returns to the person."""
    line: list[str] = []
    seen = {person.staff_id}
    manager = person.manager_id
    while manager is not None and manager in people and manager not in seen:
        line.append(manager)
        seen.add(manager)
        manager = people[manager].manager_id
    return tuple(line)


def everyone_below(people: Mapping[str, StaffMember]) -> dict[str, frozenset[str]]:
    """By manager, everyone below at any distance. A team reaches through people who are inactive."""
    below: dict[str, set[str]] = {}
    for person in people.values():
        for manager in managers_of(person, people):
            below.setdefault(manager, set()).add(person.staff_id)
    return {manager: frozenset(members) for manager, members in below.items()}
