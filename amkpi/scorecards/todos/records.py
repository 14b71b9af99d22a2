"""The records behind a KPI that misses its target, those to act on first: state, name, client, sum and person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from amkpi.core.catalogue import Kpi
from amkpi.core.language import formatting
from amkpi.core.language.names import plain
from amkpi.core.language.periods import Period
from amkpi.core.language.terms import KIND
from amkpi.core.language.translator import Message
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.evidence_records import EvidenceRecord
from amkpi.scorecards.facts import Facts, ScopeMember
from amkpi.scorecards.model import Piece, Todo

MOST_RECORDS = 3
# States in which something can still be done come first, then what cost the most; unknown states last.
_ORDER = (
    "overdue", "open", "delivered_late", "cancelled", "lost_client", "over_budget", "lost", "withdrawn",
    "not_expanded", "not_satisfied",
)  # fmt: skip
# What each kind of record is called before its id.
_KINDS = {
    "contracts": Message("contract {id}"),
    "projects": Message("project {id}"),
    "proposals": Message("proposal {id}"),
    "client_surveys": Message("response {id}"),
}


@dataclass(frozen=True)
class Records:
    """Describes the records behind the values that one reader sees."""

    context: ReaderContext

    @property
    def _facts(self) -> Facts:
        return self.context.facts

    @property
    def _period(self) -> Period:
        return self.context.period

    def of(self, member: ScopeMember, kpi: Kpi, most: int | None) -> tuple[tuple[Todo, ...], str]:
        """The first records of a value, and a text of how many more there are; all where most is None."""
        found = self.all_of(member, kpi)
        rest = 0 if most is None else len(found) - most
        more = self.context.n("and {n} more", "and {n} more", rest) if rest > 0 else ""
        return tuple(found[:most]), more

    def all_of(self, member: ScopeMember, kpi: Kpi) -> list[Todo]:
        """Every record that keeps a value from its target, those to act on first."""
        if kpi.private:
            return self._people_below_target(kpi, member)
        records = self._facts.records_of(member, kpi.name)
        if kpi.unit == "money":
            return self._cancellations_and_gaps(kpi, member, records)
        missed = [record for record in records if _keeps_from_target(kpi, record)]
        return [self._todo(kpi, member, record) for record in sorted(missed, key=self._urgency)]

    def _urgency(self, record: EvidenceRecord) -> tuple[object, ...]:
        state = _ORDER.index(record.state) if record.state in _ORDER else len(_ORDER)
        day = (record.event_date or date.min).toordinal()
        return (state, -(record.days_late or 0), -max(0.0, record.excess), -self._worth(record), -day,
                record.source_id or "", record.client_id or "")  # fmt: skip

    def _worth(self, record: EvidenceRecord) -> float:
        """The money of a record; of a client without any the new revenue of twelve months."""
        if record.amount is None and record.extract == "clients":
            return self._facts.signed_by(record.client_id, self.context.recipient.reader) or 0.0
        return record.amount or 0.0

    def _todo(self, kpi: Kpi, member: ScopeMember, record: EvidenceRecord) -> Todo:
        pieces = (self._name(kpi, member, record), self._client(record.client_id), Piece(self._sum(kpi, record)),
                  self._person(record.staff_id))  # fmt: skip
        return Todo(
            what=self._state(kpi, record),
            pieces=tuple(piece for piece in pieces if piece.text),
            state=record.state or "",
            kpi=kpi.name,
            client_id=record.client_id,
            source_id=record.source_id,
            staff_id=record.staff_id if self.context.recipient.may_name(record.staff_id) else None,
        )

    def _state(self, kpi: Kpi, record: EvidenceRecord) -> str:
        """What happened to the record, or has not happened yet."""
        t, n, state = self.context.t, self.context.n, record.state
        done = formatting.day(record.done_date) if record.done_date else ""
        if kpi.aggregation == "ratio_of_amounts":
            return t("{amount} over budget", amount=self._money(record.excess))
        if state == "overdue" and record.days_late == 0:
            return t("due today, not delivered")
        if state == "overdue" and record.days_late:
            return n("overdue by {n} day, not delivered", "overdue by {n} days, not delivered", record.days_late)
        if state == "delivered_late" and record.days_late:
            return n("delivered {n} day late", "delivered {n} days late", record.days_late)
        if state == "open" and record.event_date:
            return t("open since {day}", day=formatting.day(record.event_date))
        if state == "lost" and done:
            return t("lost on {day}", day=done)
        if state == "not_satisfied" and done:
            return t("not satisfied, {day}", day=done)
        if state == "lost_client" and done:
            return t("client lost, contract to {day}", day=done)
        if state is not None and state in kpi.states:
            return self.context.choose(kpi.states[state])
        if record.event_date is None or record.extract == "clients":
            return t("not attained")
        return t("not attained, {day}", day=formatting.day(record.event_date))

    def _name(self, kpi: Kpi, member: ScopeMember, record: EvidenceRecord) -> Piece:
        """What the record is called, with its id; a client needs no second name."""
        if record.extract == "clients":
            return Piece("")
        identity, href = plain(record.source_id or ""), self.context.links.record(kpi, member, self._period, record)
        if record.name and plain(record.name) != identity:
            return Piece(f"{plain(record.name)} ({identity})", href)
        kind, business = _KINDS.get(record.extract or ""), KIND.get(record.kind or "")
        text = self.context.t(kind, id=identity) if kind else identity
        return Piece(f"{text} ({self.context.t(business)})" if business else text, href)

    def _sum(self, kpi: Kpi, record: EvidenceRecord) -> str:
        t = self.context.t
        if kpi.aggregation == "ratio_of_amounts":
            cost, budget = self.context.figures.pair(record.numerator, record.denominator, "money")
            return t("{cost} of a budget of {budget}", cost=cost, budget=budget)
        worth = self._worth(record)
        if worth <= 0:
            return ""
        if record.extract != "clients":
            return self._money(worth)
        if record.amount is None:
            return t("{amount} of new revenue in twelve months", amount=self._money(worth))
        return t("contracts of {amount}", amount=self._money(worth))

    def _money(self, amount: float | None) -> str:
        return self.context.figures.value(amount, "money")

    def _client(self, client_id: str | None) -> Piece:
        """A client by name and id: two clients may share a name."""
        if client_id is None:
            return Piece("")
        name = plain(self._facts.names.clients.get(client_id, client_id))
        return Piece(name if name == client_id else f"{name} ({client_id})", self.context.links.client(client_id))

    def _person(self, staff_id: str | None) -> Piece:
        """A person's name; empty for the reader, and for people whom the reader may not name."""
        recipient = self.context.recipient
        if staff_id is None or staff_id == recipient.staff_id or not recipient.may_name(staff_id):
            return Piece("")
        person = self._facts.names.people.get(staff_id)
        return Piece(plain(person.full_name) if person else "")

    def _cancellations_and_gaps(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[Todo]:
        """Contracts that were cancelled, and for a team the people below their target; else what was signed.

        The largest amount comes first.
        """
        found = [] if member.scope == "own" else self._gaps_of_people(kpi, member)
        for record in records:
            if (record.numerator or 0.0) < 0:
                what = self.context.t("cancelled: −{amount}", amount=self._money(-(record.numerator or 0.0)))
                found.append((record.numerator or 0.0, self._contract(kpi, member, record, what)))
        if found:
            return [todo for _, todo in sorted(found, key=lambda each: (each[0], each[1].about))]
        signed = sorted(records, key=lambda r: (-(r.numerator or 0.0), r.source_id or ""))
        return [
            self._contract(kpi, member, each, self.context.t("signed: {amount}", amount=self._money(each.numerator)))
            for each in signed
        ] or [_remark(kpi, self.context.t("No contract was signed in this period"))]

    def _contract(self, kpi: Kpi, member: ScopeMember, record: EvidenceRecord, what: str) -> Todo:
        pieces = (self._name(kpi, member, record), self._client(record.client_id), self._person(record.staff_id))
        shown = tuple(piece for piece in pieces if piece.text)
        named = record.staff_id if self.context.recipient.may_name(record.staff_id) else None
        return Todo(what, shown, record.state or "", kpi.name, record.client_id, record.source_id, named)

    def _people(self, member: ScopeMember) -> list[str]:
        """The reader and those of their people who were in the team, or in the company, at the end of the period.

        Records of other people may count too, but these people are not named.
        """
        return [
            staff_id
            for staff_id in sorted(self.context.recipient.team | {self.context.recipient.staff_id})
            if member.scope == "company"
            or staff_id == member.staff_id
            or self._facts.is_under(staff_id, member.staff_id, self._facts.close)
        ]

    def _gaps_of_people(self, kpi: Kpi, member: ScopeMember) -> list[tuple[float, Todo]]:
        gaps = []
        for staff_id in self._people(member):
            key = (ScopeMember("own", staff_id), kpi.name, self._facts.period.start)
            value, line = self._facts.values.get(key), self._facts.lines.get(key)
            if value and line and line.target is not None and value.value is not None and value.value < line.target:
                gaps.append((value.value - line.target, staff_id))
        return [
            (gap, self._of_person(kpi, staff_id, self.context.t("{amount} below target", amount=self._money(-gap))))
            for gap, staff_id in sorted(gaps)
        ]

    def _people_below_target(self, kpi: Kpi, member: ScopeMember) -> list[Todo]:
        nobody = _remark(kpi, self.context.t("Reviews are counted without naming the reviewers"))
        if member.scope == "own":
            return [nobody]
        target = self._facts.lines[member, kpi.name, self._facts.period.start].target
        scores = []
        for staff_id in self._people(member):
            value = self._facts.values.get((ScopeMember("own", staff_id), kpi.name, self._facts.period.start))
            if value and value.value is not None and target is not None and value.value < target:
                scores.append((value.value, staff_id))
        return [
            self._of_person(kpi, staff_id, self._against(kpi, value, target)) for value, staff_id in sorted(scores)
        ] or [nobody]

    def _against(self, kpi: Kpi, value: float, target: float | None) -> str:
        actual, wanted = self.context.figures.pair(value, target, kpi.unit)
        return self.context.t("{actual} against a target of {target}", actual=actual, target=wanted)

    def _of_person(self, kpi: Kpi, staff_id: str, what: str) -> Todo:
        name = Piece(self.context.full_name(staff_id), self.context.links.person(staff_id, self._period))
        return Todo(what, (name,), "", kpi.name, None, None, staff_id)


def _remark(kpi: Kpi, text: str) -> Todo:
    """What is said where no record can be named."""
    return Todo("", (Piece(text),), "", kpi.name, None, None, None)


def _keeps_from_target(kpi: Kpi, record: EvidenceRecord) -> bool:
    if kpi.aggregation == "ratio_of_amounts":
        return record.excess > 0
    return bool(record.numerator) != (kpi.better == "higher")
