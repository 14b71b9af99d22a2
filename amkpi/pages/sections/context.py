"""What every page is composed from: the facts that the reader may see, the reader, the language, and the address."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from email.headerregistry import Address

from amkpi.access.hierarchy import managers_of
from amkpi.access.names import StaffMember
from amkpi.access.reader import Reader
from amkpi.core.catalogue import Kpi
from amkpi.core.language import formatting
from amkpi.core.language.names import name_key, plain
from amkpi.core.language.periods import Period
from amkpi.core.language.translation import Language
from amkpi.pages.facts import Index, Interval, MeasureValue
from amkpi.pages.model import Day, Link, Name, Part, Span, Subject, Text, plain_text
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.page_paths import PagePath, key_of
from amkpi.scorecards.recipients import Recipient

_SLOT = "\x00"
COMPANY = ScopeMember("company", None)


@dataclass(frozen=True)
class PageContext(ReaderContext):
    """The facts of a period for one page. index: as the reader may see it. shown: the periods that have pages.

    intervals: the 95% Wilson interval of each member and KPI in the period. measures: the supporting measures.
    """

    path: PagePath
    index: Index
    shown: Collection[Period]
    intervals: Mapping[tuple[ScopeMember, str], Interval]
    measures: Mapping[tuple[ScopeMember, str], MeasureValue]

    @property
    def reader(self) -> Reader:
        """What the reader may see."""
        return self.recipient.reader

    def href(self, target: PagePath) -> str:
        """The link to another page."""
        return self.path.to(target)

    def has(self, member: ScopeMember, period: Period) -> bool:
        """Whether there is a page of this member and period for this reader."""
        return period in self.shown and self.index.has(member, period)

    def member_href(self, member: ScopeMember, period: Period | None = None) -> str:
        """The link to the page of a person, a team or the company; empty where this reader has none."""
        period = period or self.period
        if not self.has(member, period):
            return ""
        return self.href(PagePath.of_member(self.language, member, period))

    def kpi_href(self, kpi: Kpi, member: ScopeMember, period: Period | None = None) -> str:
        """The link to the page of a KPI; empty where this reader has none."""
        period = period or self.period
        if not self.has(member, period):
            return ""
        return self.href(PagePath.of_kpi(self.language, kpi.name, member, period))

    def client_part(self, client_id: str | None) -> Text:
        """A client by name and id, as a link; nothing where the reader may not see the client."""
        client = self.index.clients.get(client_id or "")
        if client is None or client_id is None:
            return ()
        name = plain(client.name)
        link = Link((Name(name),), self.href(PagePath(self.language, "client", key=key_of(client_id))))
        return (link,) if name == plain(client_id) else (link, " ", Name(f"({plain(client_id)})"))

    def person_part(self, staff_id: str | None, period: Period | None = None) -> Text:
        """A person by name, as a link where the reader may read the person; nothing where not even the name."""
        if staff_id is None or staff_id not in self.facts.names.people:
            return ()
        name = Name(self.full_name(staff_id))
        href = self.member_href(ScopeMember("own", staff_id), period)
        return (Link((name,), href) if href else name,)

    def people(self) -> list[str]:
        """The staff ids of those whose own numbers of the period the reader may see, in the order of names."""
        found = [
            staff_id for staff_id in self.reader.people if self.index.has(ScopeMember("own", staff_id), self.period)
        ]
        return sorted(found, key=lambda staff_id: (name_key(self.full_name(staff_id)), staff_id))

    def leaders(self) -> list[str]:
        """The staff ids of the leaders whose team's numbers of the period the reader may see, in the order of names."""
        found = [
            staff_id for staff_id in self.reader.teams if self.index.has(ScopeMember("team", staff_id), self.period)
        ]
        return sorted(found, key=lambda staff_id: (name_key(self.full_name(staff_id)), staff_id))

    def subject(self, member: ScopeMember, kpi: Kpi | None = None, period: Period | None = None) -> Subject:
        """The figures of an element: of this member and KPI in the page's period."""
        period = period or self.period
        return Subject(member.scope, member.staff_id or "", kpi.name if kpi else None, period.grain, period.start)

    def main(self) -> ScopeMember | None:
        """Whose scorecard the reader's overview shows: the widest scope with one in the period."""
        reader = self.reader
        wanted = [COMPANY] if reader.company else []
        if reader.staff_id is not None:
            wanted += [ScopeMember("team", reader.staff_id), ScopeMember("own", reader.staff_id)]
        return next((member for member in wanted if (member, self.period.start) in self.facts.scores), None)


def day(value: date) -> Day:
    """A date as a part of a text."""
    return Day(formatting.day(value), value)


def span(period: Period, language: Language) -> Span:
    """A period as a part of a text."""
    return Span(period.short(language))


def slots(*names: str) -> dict[str, str]:
    """Values for the placeholders of a translated text, which `fill` replaces by parts."""
    return {name: f"{_SLOT}{name}{_SLOT}" for name in names}


def fill(text: str, /, **parts: Part | Text) -> Text:
    """A translated text whose placeholders were given `slots`, with the parts in their places."""
    found: list[Part] = []
    for place, piece in enumerate(text.split(_SLOT)):
        if place % 2:
            part = parts[piece]
            found += part if isinstance(part, tuple) else (part,)
        elif piece:
            found.append(piece)
    return tuple(found)


def join(separator: str, *texts: Text) -> Text:
    """The texts that are not empty, with a separator between them."""
    found: list[Part] = []
    for text in texts:
        if text:
            found += [separator, *text] if found else text
    return tuple(found)


def marked(text: str, parts: Iterable[Part]) -> Text:
    """A text that a mail has too, with its figures, dates and names marked.

    parts: each is looked for once. Where several begin at one place, the longest is meant. A number is not looked for
    inside of a longer one. A part that is not in the text is left out.
    """
    rest, found = [(plain_text(part), part) for part in parts], list[Part]()
    rest = [each for each in rest if each[0]]
    begin = 0
    while True:
        places = [
            (at, -len(shown), number)
            for number, (shown, _) in enumerate(rest)
            if (at := _find_whole(text, shown, begin)) >= 0
        ]
        if not places:
            break
        start, length, number = min(places)
        if start > begin:
            found.append(text[begin:start])
        found.append(rest.pop(number)[1])
        begin = start - length
    return (*found, text[begin:]) if begin < len(text) else tuple(found)


def _find_whole(text: str, shown: str, begin: int) -> int:
    """Where a text is in another one and no part of a longer number or word; -1 where it is not.

    Without regular expressions: to compile one for each text takes longer than all searches.
    """
    at = text.find(shown, begin)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(shown) : at + len(shown) + 2]
        inside = shown[0].isalnum() and (_is_of_word(before) or before in (".", ","))
        if shown[-1].isalnum():
            inside = inside or _is_of_word(after[:1]) or (after[:1] in (".", ",") and after[1:].isdecimal())
        if not inside:
            return at
        at = text.find(shown, at + 1)
    return -1


def _is_of_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def recipient_of(reader: Reader, index: Index, language: Language) -> Recipient:
    """The reader as the sections of a mail know one. Somebody who is not in the staff extract has no name."""
    nobody = StaffMember(reader.staff_id or "", "", "", None, None, None, True, index.publication.as_of)
    person = index.names.people.get(reader.staff_id or "", nobody)
    return Recipient(
        person=person,
        address=Address("", "nobody", "invalid"),
        language=language,
        own=True,
        leads=bool(reader.teams),
        company=reader.company,
        team=reader.people - {person.staff_id},
        managers=managers_of(person, index.names.people),
        reader=reader,
    )
