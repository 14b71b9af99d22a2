"""What one reader may see: own numbers, those of everyone below, the own managers by name, and more by settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from amkpi.access.hierarchy import everyone_below, managers_of, started
from amkpi.access.names import Names, StaffMember
from amkpi.core.catalogue import Kpi
from amkpi.core.settings import Settings

COMPANY_ROLE = "group_account_director"


@dataclass(frozen=True)
class Reader:
    """The rights of a reader on one publication.

    staff_id: None for an analyst or operator who is not in the staff extract. people: whose own numbers may be read.
    teams: the leaders whose team's numbers may be read. named: whose names and ids may be shown. company: the company's
    numbers, and all records behind them. data: the pages on files, quarantine and audit. everything: an analyst.
    """

    staff_id: str | None
    people: frozenset[str]
    teams: frozenset[str]
    named: frozenset[str]
    company: bool
    data: bool
    everything: bool = False

    def may_read(self, scope: str, staff_id: str | None) -> bool:
        """Whether the numbers of a scope may be read: `own` and `team` with a staff id, `company` without one."""
        if staff_id is None:
            return scope == "company" and self.company
        return (scope == "own" and staff_id in self.people) or (scope == "team" and staff_id in self.teams)

    def may_name(self, staff_id: str | None) -> bool:
        """Whether this person's name and id may be shown."""
        return staff_id is not None and staff_id in self.named

    @property
    def may_name_operators(self) -> bool:
        """Whether it may be shown who runs the pipeline: who closed a period, or opened one again."""
        return self.company or self.data

    def may_read_record(self, staff_id: str | None) -> bool:
        """Whether a record may be read. staff_id: the person who gets the credit, None where nobody does."""
        return self.company or (staff_id is not None and staff_id in self.people)

    def may_read_evidence(self, kpi: Kpi, staff_id: str | None) -> bool:
        """Whether a record of a KPI may be read. staff_id: as for `may_read_record`.

        A record of a private KPI is a person's own score: only who may read that person sees it. Who reads the company
        does not.
        """
        return staff_id in self.people if kpi.private else self.may_read_record(staff_id)


def reader_of(names: Names, staff_id: str, settings: Settings) -> Reader | None:
    """The rights of a person of the staff extract; None for who is unknown, has not started, or is inactive.

    An address in the settings `analysts` and `operators` gives no rights here: only who signs in with it has them.
    Else a person whose address in the staff extract is changed to an analyst's would become one.
    """
    person = _active(names).get(staff_id)
    return None if person is None else _reader(names, person, "", settings)


def reader_of_address(names: Names, address: str, settings: Settings) -> Reader | None:
    """The rights of who reads the mail of this address; None where it has none.

    Two active people who share an address have no rights by it, because each would read the other's numbers. The
    address of somebody who has left has none either, whatever the settings say.
    """
    key = address_key(address)
    if not key:
        return None
    holders = [person for person in names.people.values() if address_key(person.email) == key]
    active = [person for person in _active(names).values() if address_key(person.email) == key]
    if holders and not active:
        return None
    return _reader(names, active[0] if len(active) == 1 else None, key, settings)


def sharing(people: Iterable[StaffMember]) -> dict[str, tuple[str, ...]]:
    """Who shares an address with others: by staff id all of them, in order. people: those who are active."""
    holders: dict[str, list[str]] = {}
    for person in people:
        if key := address_key(person.email):
            holders.setdefault(key, []).append(person.staff_id)
    return {each: tuple(sorted(shared)) for shared in holders.values() if len(shared) > 1 for each in shared}


def active_people(names: Names, without: Collection[str] = ()) -> list[StaffMember]:
    """Those who have started and are active on the day of the names. without: staff ids that are left out."""
    return [person for staff_id, person in _active(names).items() if staff_id not in without]


def analyst(names: Names, staff_id: str | None = None) -> Reader:
    """The rights of who reads everything. staff_id: None for somebody who is not in the staff extract."""
    everybody = frozenset(names.people)
    return Reader(staff_id, everybody, everybody & _leaders(names), everybody, True, True, everything=True)


def reader_in_mail(names: Names, staff_id: str, company: bool) -> Reader:
    """The rights of somebody who gets a scorecard with these names, which may be those of a closed period.

    A scorecard has the same content for everybody in the same place: `analysts` and `operators` play no part in it.
    """
    return _person_reader(names, staff_id, company, data=False)


def address_key(address: str | None) -> str:
    """What two spellings of one address have in common; empty for none.

    Mail servers take plain ASCII alone. Some other letters are an ASCII one in lower case: no such pair is one address.
    """
    text = (address or "").strip()
    return text.lower() if text.isascii() else ""


def _reader(names: Names, person: StaffMember | None, key: str, settings: Settings) -> Reader | None:
    """The rights of a person, or of who only has an address. key: the address of the sign-in, empty without one."""
    staff_id = person.staff_id if person else None
    is_analyst = _is_listed(staff_id, key, settings.pages.analysts)
    operator = _is_listed(staff_id, key, settings.pages.operators)
    if is_analyst:
        return analyst(names, staff_id)
    if person is None:
        nobody: frozenset[str] = frozenset()
        return Reader(None, nobody, nobody, nobody, company=False, data=True) if operator else None
    company = person.role == COMPANY_ROLE or person.staff_id in settings.scorecards.leadership
    return _person_reader(names, person.staff_id, company, operator)


def _person_reader(names: Names, staff_id: str, company: bool, data: bool) -> Reader:
    people = started(names)
    readable = everyone_below(people).get(staff_id, frozenset()) | {staff_id}
    above = managers_of(people[staff_id], people) if staff_id in people else ()
    teams = (readable & _leaders(names)) | {staff_id}
    return Reader(staff_id, readable, teams, readable | frozenset(above), company, data)


def _is_listed(staff_id: str | None, key: str, entries: Collection[str]) -> bool:
    """Whether a list of the settings names a reader. An entry with an @ is an address, every other one a staff id."""
    return any(bool(key) and address_key(entry) == key if "@" in entry else entry == staff_id for entry in entries)


def _leaders(names: Names) -> frozenset[str]:
    """Everybody who leads or ever led somebody."""
    ever = {span.manager_id for spans in names.managers.values() for span in spans}
    return frozenset(ever | {person.manager_id for person in names.people.values() if person.manager_id is not None})


def _active(names: Names) -> dict[str, StaffMember]:
    return {staff_id: person for staff_id, person in started(names).items() if person.is_active}
