"""Which records stand behind a KPI that misses its target, in the reader's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from amkpi.core.catalogue import Kpi
from amkpi.core.language import formatting
from amkpi.core.language.i18n import Speech, plain
from amkpi.scorecards.facts import Facts, Record, Subject
from amkpi.scorecards.recipients import Recipient

MOST_RECORDS = 3


@dataclass(frozen=True)
class Behind:
    """Names the records behind one reader's values."""

    facts: Facts
    recipient: Recipient
    speech: Speech

    def client(self, client_id: str | None) -> str:
        """A client by name, and by id where two may share a name."""
        if client_id is None:
            return ""
        name = plain(self.facts.client_names.get(client_id, client_id))
        return name if name == client_id else f"{name} ({client_id})"

    def who(self, staff_id: str | None) -> str:
        """A person's name if this reader may read it; nothing otherwise, and nothing for the reader themselves."""
        if staff_id is None or staff_id == self.recipient.staff_id or not self.recipient.may_name(staff_id):
            return ""
        person = self.facts.people.get(staff_id)
        return plain(person.full_name) if person else ""

    def name(self, subject: Subject, kpi: Kpi) -> tuple[str, ...]:
        """The records that explain most of what is missing, at most three, and how many more there are."""
        ways: dict[str, Callable[[Subject, Sequence[Record]], list[str]]] = {
            "client_revenue": self._revenue,
            "client_retention_rate": self._lost_clients,
            "on_time_delivery_rate": self._late_projects,
            "client_satisfaction": self._poor_responses,
            "contract_win_rate": self._proposals_not_won,
            "upsell_cross_sell_rate": self._clients_not_expanded,
            "cost_to_budget_ratio": self._overruns,
            "internal_collaboration_score": self._collaboration,
        }
        found = ways[kpi.name](subject, self.facts.records_of(subject, kpi.name))
        if len(found) <= MOST_RECORDS:
            return tuple(found)
        rest = len(found) - MOST_RECORDS
        return (*found[:MOST_RECORDS], self.speech.count("and {n} more", "and {n} more", rest))

    def _join(self, *parts: str) -> str:
        return " · ".join(part for part in parts if part)

    def _revenue(self, subject: Subject, records: Sequence[Record]) -> list[str]:
        say = self.speech.say
        found = []
        for record in sorted(records, key=lambda r: r.numerator or 0.0):
            if (record.numerator or 0.0) < 0:
                amount = self.speech.value(-(record.numerator or 0.0), "money")
                what = say("contract {id} cancelled: −{amount}", id=plain(record.source_id or ""), amount=amount)
                found.append(self._join(self.client(record.client_id), what, self.who(record.staff_id)))
        if subject.scope != "own":
            found += self._gaps_of_people(subject)
        if found:
            return found
        signed = sorted(records, key=lambda r: -(r.numerator or 0.0))
        for record in signed:
            amount = self.speech.value(record.numerator, "money")
            what = say("contract {id}: {amount}", id=plain(record.source_id or ""), amount=amount)
            found.append(self._join(self.client(record.client_id), what))
        return found or [say("No contract was signed in this period")]

    def _people(self, subject: Subject) -> list[str]:
        """Those of the reader's people, the reader among them, who were in the team, or anywhere, at the period's end.

        Of others nothing is named, though their records may count.
        """
        return [
            staff_id
            for staff_id in sorted(self.recipient.team | {self.recipient.staff_id})
            if subject.scope == "company"
            or staff_id == subject.staff_id
            or self.facts.is_under(staff_id, subject.staff_id, self.facts.close)
        ]

    def _gaps_of_people(self, subject: Subject) -> list[str]:
        gaps = []
        for staff_id in self._people(subject):
            key = (Subject("own", staff_id), "client_revenue", self.facts.period.start)
            value, line = self.facts.values.get(key), self.facts.lines.get(key)
            if value and line and line.target is not None and value.value is not None and value.value < line.target:
                gaps.append((value.value - line.target, staff_id))
        return [
            self._join(
                plain(self.facts.people[staff_id].full_name),
                self.speech.say("{amount} below target", amount=self.speech.value(-gap, "money")),
            )
            for gap, staff_id in sorted(gaps)
        ]

    def _biggest_first(self, records: Sequence[Record]) -> list[Record]:
        revenue = self.facts.client_revenue
        return sorted(records, key=lambda r: (-revenue.get(r.client_id or "", 0.0), r.client_id or ""))

    def _signed_lately(self, record: Record) -> str:
        amount = self.facts.client_revenue.get(record.client_id or "", 0.0)
        if amount <= 0:
            return ""
        return self.speech.say("{amount} signed in twelve months", amount=self.speech.value(amount, "money"))

    def _lost_clients(self, subject: Subject, records: Sequence[Record]) -> list[str]:
        lost = self._biggest_first([r for r in records if not r.numerator])
        return [
            self._join(self.client(r.client_id), self.speech.say("no longer active"), self._signed_lately(r),
                       self.who(r.staff_id))
            for r in lost
        ]  # fmt: skip

    def _clients_not_expanded(self, subject: Subject, records: Sequence[Record]) -> list[str]:
        waiting = self._biggest_first([r for r in records if not r.numerator])
        return [
            self._join(self.client(r.client_id), self.speech.say("no upsell or cross-sell yet"),
                       self._signed_lately(r), self.who(r.staff_id))
            for r in waiting
        ]  # fmt: skip

    def _late_projects(self, subject: Subject, records: Sequence[Record]) -> list[str]:
        found = []
        for record in records:
            if record.numerator or record.event_date is None:
                continue
            delivered = self.facts.delivered.get(record.source_id or "")
            due = self.speech.say("due {day}", day=formatting.day(record.event_date))
            days = (delivered - record.event_date).days if delivered else 0
            late = (
                self.speech.count("delivered {n} day late", "delivered {n} days late", days)
                if days > 0
                else self.speech.say("not delivered in time")
            )
            text = self._join(
                self.client(record.client_id), self.speech.say("project {id}", id=plain(record.source_id or "")),
                due, late, self.who(record.staff_id),
            )  # fmt: skip
            found.append((days > 0, -days, -record.event_date.toordinal(), text))
        return [text for *_, text in sorted(found)]

    def _poor_responses(self, subject: Subject, records: Sequence[Record]) -> list[str]:
        poor = _newest_first(r for r in records if not r.numerator)
        return [
            self._join(
                self.client(r.client_id),
                self.speech.say("response {id} below the mark", id=plain(r.source_id or "")),
                formatting.day(r.event_date) if r.event_date else "",
                self.who(r.staff_id),
            )
            for r in poor
        ]

    def _proposals_not_won(self, subject: Subject, records: Sequence[Record]) -> list[str]:
        open_or_lost = _newest_first(r for r in records if not r.numerator)
        return [
            self._join(
                self.client(r.client_id),
                self.speech.say("proposal {id} not won", id=plain(r.source_id or "")),
                self.speech.say("sent {day}", day=formatting.day(r.event_date)) if r.event_date else "",
                self.who(r.staff_id),
            )
            for r in open_or_lost
        ]

    def _overruns(self, subject: Subject, records: Sequence[Record]) -> list[str]:
        over = sorted(
            (((r.numerator or 0.0) - (r.denominator or 0.0), r.source_id or "", r) for r in records),
            key=lambda each: (-each[0], each[1]),
        )
        return [
            self._join(
                self.client(r.client_id),
                self.speech.say("project {id}", id=plain(source_id)),
                self.speech.say("{amount} over budget", amount=self.speech.value(amount, "money")),
                self.who(r.staff_id),
            )
            for amount, source_id, r in over
            if amount > 0
        ]

    def _collaboration(self, subject: Subject, records: Sequence[Record]) -> list[str]:
        if subject.scope == "own":
            return [self.speech.say("Reviews are counted without naming the reviewers")]
        target = self.facts.lines[subject, "internal_collaboration_score", self.facts.period.start].target
        scores = []
        for staff_id in self._people(subject):
            value = self.facts.values.get((Subject("own", staff_id), "internal_collaboration_score",
                                           self.facts.period.start))  # fmt: skip
            if value and value.value is not None and target is not None and value.value < target:
                scores.append((value.value, staff_id))
        return [
            self._join(plain(self.facts.people[staff_id].full_name), self.speech.value(value, "score"))
            for value, staff_id in sorted(scores)
        ] or [self.speech.say("Reviews are counted without naming the reviewers")]


def _newest_first(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda r: (-(r.event_date or date.min).toordinal(), r.source_id or ""))
