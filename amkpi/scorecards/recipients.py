"""Who gets what: one person, one mail, and no name from outside one's team but one's own line of managers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from email.errors import MessageError
from email.headerregistry import Address

from amkpi.core.catalogue import Language
from amkpi.core.language.i18n import Said, say_later

COMPANY_ROLE = "group_account_director"


@dataclass(frozen=True)
class Person:
    """A person as `marts.dim_staff` has them on the run's date."""

    staff_id: str
    full_name: str
    role: str
    manager_id: str | None
    email: str | None
    locale: str | None
    is_active: bool
    valid_from: date


@dataclass(frozen=True)
class Recipient:
    """Who reads a scorecard, in which language, and what is in it.

    team: everyone under this person, however far, active or not. managers: those above, the nearest first.
    """

    person: Person
    address: Address
    language: Language
    own: bool
    leads: bool
    company: bool
    team: frozenset[str]
    managers: tuple[str, ...]

    @property
    def staff_id(self) -> str:
        """The person's id."""
        return self.person.staff_id

    def may_name(self, staff_id: str | None) -> bool:
        """Whether this reader may read that person's name."""
        return staff_id is not None and (
            staff_id == self.staff_id or staff_id in self.team or staff_id in self.managers
        )


@dataclass(frozen=True)
class Unreachable:
    """Somebody due a scorecard who cannot be sent one, and why; told to the operator."""

    staff_id: str
    why: Said


@dataclass(frozen=True)
class Audience:
    """Everybody due a scorecard: those it can be sent to, in the order of their ids, and those it cannot."""

    recipients: tuple[Recipient, ...]
    unreachable: tuple[Unreachable, ...]


def audience(
    people: Mapping[str, Person],
    as_of: date,
    account_roles: Collection[str],
    leadership: Collection[str] = (),
    default_language: Language = "vi",
) -> Audience:
    """Decide who gets what on as_of.

    people: by staff_id. leadership: staff ids that get the company's scorecard beside the group account directors.
    Two people who share an address get nothing: either would read the other's.
    """
    here = {key: person for key, person in people.items() if person.valid_from <= as_of}
    below = _everyone_below(here)
    found: list[Recipient] = []
    unreachable: list[Unreachable] = []
    for staff_id, person in sorted(here.items()):
        own = person.role in account_roles
        team = below.get(staff_id, frozenset())
        leads = any(here[member].is_active and here[member].role in account_roles for member in team)
        company = person.role == COMPANY_ROLE or staff_id in leadership
        if not person.is_active or not (own or leads or company):
            continue
        address = _address(person)
        if isinstance(address, Said):
            unreachable.append(Unreachable(staff_id, address))
            continue
        locale = (person.locale or "").strip().lower().replace("_", "-").split("-")[0]
        language: Language = "en" if locale == "en" else "vi" if locale == "vi" else default_language
        found.append(Recipient(person, address, language, own, leads, company, team, _managers(person, here)))
    for staff_id in sorted(set(leadership) - here.keys()):
        why = say_later("is on the leadership list, but nobody has this staff_id")
        unreachable.append(Unreachable(staff_id, why))
    holders: dict[str, list[str]] = {}
    for recipient in found:
        holders.setdefault(recipient.address.addr_spec.casefold(), []).append(recipient.staff_id)
    shared = {key: others for others in holders.values() if len(others) > 1 for key in others}
    for staff_id, others in sorted(shared.items()):
        why = say_later("shares one address with others: {people}", people=", ".join(others))
        unreachable.append(Unreachable(staff_id, why))
    return Audience(tuple(recipient for recipient in found if recipient.staff_id not in shared), tuple(unreachable))


def _address(person: Person) -> Address | Said:
    """The person's address, or why there is none."""
    given = (person.email or "").strip()
    if not given:
        return say_later("has no address")
    if not given.isascii() or any(not character.isprintable() for character in given):
        return say_later("has an address that mail servers do not take: not plain ASCII")
    try:
        address = Address(display_name=_one_line(person.full_name), addr_spec=given)
    except (MessageError, ValueError, IndexError):
        return say_later("has an address that is none")
    return address if address.username and "." in address.domain else say_later("has an address that is none")


def _one_line(text: str) -> str:
    """The text without line ends and other control characters, which a header must not carry."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _managers(person: Person, people: Mapping[str, Person]) -> tuple[str, ...]:
    line: list[str] = []
    manager = person.manager_id
    while manager is not None and manager in people and manager not in line and manager != person.staff_id:
        line.append(manager)
        manager = people[manager].manager_id
    return tuple(line)


def _everyone_below(people: Mapping[str, Person]) -> dict[str, frozenset[str]]:
    below: dict[str, set[str]] = {}
    for person in people.values():
        for manager in _managers(person, people):
            below.setdefault(manager, set()).add(person.staff_id)
    return {manager: frozenset(members) for manager, members in below.items()}
