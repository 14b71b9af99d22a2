"""Who gets which scorecard. A reader sees only the names of their team and of their own managers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address

from amkpi.access.hierarchy import everyone_below, managers_of, started
from amkpi.access.names import Names, StaffMember
from amkpi.access.reader import COMPANY_ROLE, Reader, active_people, reader_in_mail, sharing
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Message

_HELD = Message(
    "has a new address in the staff extract, which is held: ask this person, then run amkpi addresses --confirm"
)


@dataclass(frozen=True)
class Recipient:
    """A reader of a scorecard: the language, and what the mail contains.

    person, team, managers, reader: of a closed period as it was closed. team: everyone below at any distance, active or
    not. managers: those above, the nearest first. reader: what this person may see.
    """

    person: StaffMember
    address: Address
    language: Language
    own: bool
    leads: bool
    company: bool
    team: frozenset[str]
    managers: tuple[str, ...]
    reader: Reader

    @property
    def staff_id(self) -> str:
        """The person's id."""
        return self.person.staff_id

    def may_name(self, staff_id: str | None) -> bool:
        """Whether this reader may read that person's name."""
        return self.reader.may_name(staff_id)


@dataclass(frozen=True)
class Unreachable:
    """Somebody who should get a scorecard but cannot be sent one, and why; reported to the operator."""

    staff_id: str
    why: Message


@dataclass(frozen=True)
class Audience:
    """Everybody who should get a scorecard: those who can be sent one, by staff id, and those who cannot."""

    recipients: tuple[Recipient, ...]
    unreachable: tuple[Unreachable, ...]


def audience(
    today: Names,
    account_roles: Collection[str],
    leadership: Collection[str] = (),
    default_language: Language = "vi",
    as_closed: Names | None = None,
    held: Collection[str] = (),
) -> Audience:
    """Decide who gets what.

    today: decides who is there, with which address and language, and who reads the company's scorecard. as_closed: of a
    closed period the names, roles and teams of that day. leadership: staff ids that get the company's scorecard in
    addition to the group account directors. held: staff ids whose address was changed and is not confirmed yet. Two
    people who share an address get nothing: each would read the other's scorecard.
    """
    shown_names = as_closed or today
    here, then = started(today), started(shown_names)
    below = everyone_below(then)
    found: list[Recipient] = []
    unreachable: list[Unreachable] = []
    for staff_id, person in sorted(here.items()):
        shown = then.get(staff_id, person)
        own = shown.role in account_roles
        team = below.get(staff_id, frozenset())
        leads = any(then[member].is_active and then[member].role in account_roles for member in team)
        company = person.role == COMPANY_ROLE or staff_id in leadership
        if not person.is_active or not (own or leads or company):
            continue
        address = _HELD if staff_id in held else _address(person)
        if isinstance(address, Message):
            unreachable.append(Unreachable(staff_id, address))
            continue
        language = locale_language(person.locale, default_language)
        reader = reader_in_mail(shown_names, staff_id, company)
        found.append(Recipient(shown, address, language, own, leads, company, team, managers_of(shown, then), reader))
    for staff_id in sorted(set(leadership) - here.keys()):
        why = Message("is on the leadership list, but nobody has this staff_id")
        unreachable.append(Unreachable(staff_id, why))
    # Of all active people: who gets no scorecard must not read one either.
    shared = sharing(active_people(today, held))
    for recipient in found:
        if recipient.staff_id in shared:
            why = Message("shares one address with others: {people}", people=", ".join(shared[recipient.staff_id]))
            unreachable.append(Unreachable(recipient.staff_id, why))
    return Audience(tuple(recipient for recipient in found if recipient.staff_id not in shared), tuple(unreachable))


def locale_language(locale: str | None, default: Language) -> Language:
    """The language of a locale of the staff extract, such as `vi_VN`; the default where we do not have it."""
    language = (locale or "").strip().lower().replace("_", "-").split("-")[0]
    return "en" if language == "en" else "vi" if language == "vi" else default


def _address(person: StaffMember) -> Address | Message:
    """The person's address, or why it cannot be used."""
    given = (person.email or "").strip()
    if not given:
        return Message("has no address")
    if not given.isascii() or any(not character.isprintable() for character in given):
        return Message("has an address that mail servers do not take: not plain ASCII")
    try:
        address = Address(display_name=_one_line(person.full_name), addr_spec=given)
    except (MessageError, ValueError, IndexError):
        return Message("has an address that is none")
    return address if address.username and "." in address.domain else Message("has an address that is none")


def _one_line(text: str) -> str:
    """The text without line ends and other control characters, which a header must not have."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
