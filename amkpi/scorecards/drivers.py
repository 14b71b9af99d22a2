"""The drivers of a KPI that misses its target: the records that explain most of what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from amkpi.core.catalogue import DriverKind, Kpi
from amkpi.core.language import formatting
from amkpi.core.language.names import plain
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import EvidenceRecord, Facts, ScopeMember

MOST_RECORDS = 3


@dataclass(frozen=True)
class Drivers:
    """Describes the records behind the values that one reader sees."""

    context: ReaderContext

    @property
    def _facts(self) -> Facts:
        return self.context.facts

    def _money(self, amount: float | None) -> str:
        return self.context.figures.value(amount, "money")

    def _client(self, client_id: str | None) -> str:
        """A client by name and id: two clients may share a name."""
        if client_id is None:
            return ""
        name = plain(self._facts.names.clients.get(client_id, client_id))
        return name if name == client_id else f"{name} ({client_id})"

    def _person(self, staff_id: str | None) -> str:
        """A person's name; empty for the reader, and for people whom the reader may not name."""
        recipient = self.context.recipient
        if staff_id is None or staff_id == recipient.staff_id or not recipient.may_name(staff_id):
            return ""
        person = self._facts.names.people.get(staff_id)
        return plain(person.full_name) if person else ""

    def of(self, member: ScopeMember, kpi: Kpi) -> tuple[str, ...]:
        """The drivers of a value, at most three, and how many more there are."""
        describe: Mapping[DriverKind, Callable[[Kpi, ScopeMember, Sequence[EvidenceRecord]], list[str]]] = {
            "cancellations_and_gaps": self._cancellations_and_gaps,
            "lost_clients": self._lost_clients,
            "late_projects": self._late_projects,
            "poor_responses": self._poor_responses,
            "proposals_not_won": self._proposals_not_won,
            "clients_not_expanded": self._clients_not_expanded,
            "overruns": self._overruns,
            "people_below_target": self._people_below_target,
            "records": self._records,
        }
        found = describe[kpi.drivers](kpi, member, self._facts.records_of(member, kpi.name))
        if len(found) <= MOST_RECORDS:
            return tuple(found)
        rest = len(found) - MOST_RECORDS
        return (*found[:MOST_RECORDS], self.context.n("and {n} more", "and {n} more", rest))

    def _join(self, *parts: str) -> str:
        return " · ".join(part for part in parts if part)

    def _records(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[str]:
        """The records that keep the value from its target, the newest first."""
        if kpi.aggregation == "ratio_of_counts":
            records = [r for r in records if bool(r.numerator) != (kpi.better == "higher")]
        return [
            self._join(self._client(r.client_id), plain(r.source_id or ""), self._person(r.staff_id))
            for r in _newest_first(records)
        ]

    def _cancellations_and_gaps(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[str]:
        found = []
        for record in sorted(records, key=lambda r: r.numerator or 0.0):
            if (record.numerator or 0.0) < 0:
                amount = self._money(-(record.numerator or 0.0))
                what = self.context.t(
                    "contract {id} cancelled: −{amount}", id=plain(record.source_id or ""), amount=amount
                )
                found.append(self._join(self._client(record.client_id), what, self._person(record.staff_id)))
        if member.scope != "own":
            found += self._gaps_of_people(kpi, member)
        if found:
            return found
        signed = sorted(records, key=lambda r: -(r.numerator or 0.0))
        for record in signed:
            amount = self._money(record.numerator)
            what = self.context.t("contract {id}: {amount}", id=plain(record.source_id or ""), amount=amount)
            found.append(self._join(self._client(record.client_id), what))
        return found or [self.context.t("No contract was signed in this period")]

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

    def _gaps_of_people(self, kpi: Kpi, member: ScopeMember) -> list[str]:
        gaps = []
        for staff_id in self._people(member):
            key = (ScopeMember("own", staff_id), kpi.name, self._facts.period.start)
            value, line = self._facts.values.get(key), self._facts.lines.get(key)
            if value and line and line.target is not None and value.value is not None and value.value < line.target:
                gaps.append((value.value - line.target, staff_id))
        return [
            self._join(
                plain(self._facts.names.people[staff_id].full_name),
                self.context.t("{amount} below target", amount=self._money(-gap)),
            )
            for gap, staff_id in sorted(gaps)
        ]

    def _biggest_first(self, records: Sequence[EvidenceRecord]) -> list[EvidenceRecord]:
        revenue = self._facts.client_revenue
        return sorted(records, key=lambda r: (-revenue.get(r.client_id or "", 0.0), r.client_id or ""))

    def _signed_lately(self, record: EvidenceRecord) -> str:
        amount = self._facts.client_revenue.get(record.client_id or "", 0.0)
        if amount <= 0:
            return ""
        return self.context.t("{amount} signed in twelve months", amount=self._money(amount))

    def _lost_clients(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[str]:
        lost = self._biggest_first([r for r in records if not r.numerator])
        return [
            self._join(self._client(r.client_id), self.context.t("no longer active"), self._signed_lately(r),
                       self._person(r.staff_id))
            for r in lost
        ]  # fmt: skip

    def _clients_not_expanded(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[str]:
        waiting = self._biggest_first([r for r in records if not r.numerator])
        return [
            self._join(self._client(r.client_id), self.context.t("no upsell or cross-sell yet"),
                       self._signed_lately(r), self._person(r.staff_id))
            for r in waiting
        ]  # fmt: skip

    def _late_projects(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[str]:
        found = []
        for record in records:
            if record.numerator or record.event_date is None:
                continue
            delivered = self._facts.delivered.get(record.source_id or "")
            due = self.context.t("due {day}", day=formatting.day(record.event_date))
            days = (delivered - record.event_date).days if delivered else 0
            late = (
                self.context.n("delivered {n} day late", "delivered {n} days late", days)
                if days > 0
                else self.context.t("not delivered in time")
            )
            text = self._join(
                self._client(record.client_id), self.context.t("project {id}", id=plain(record.source_id or "")),
                due, late, self._person(record.staff_id),
            )  # fmt: skip
            found.append((days > 0, -days, -record.event_date.toordinal(), text))
        return [text for *_, text in sorted(found)]

    def _poor_responses(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[str]:
        poor = _newest_first(r for r in records if not r.numerator)
        return [
            self._join(
                self._client(r.client_id),
                self.context.t("response {id} below the mark", id=plain(r.source_id or "")),
                formatting.day(r.event_date) if r.event_date else "",
                self._person(r.staff_id),
            )
            for r in poor
        ]

    def _proposals_not_won(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[str]:
        open_or_lost = _newest_first(r for r in records if not r.numerator)
        return [
            self._join(
                self._client(r.client_id),
                self.context.t("proposal {id} not won", id=plain(r.source_id or "")),
                self.context.t("sent {day}", day=formatting.day(r.event_date)) if r.event_date else "",
                self._person(r.staff_id),
            )
            for r in open_or_lost
        ]

    def _overruns(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[str]:
        over = sorted(
            (((r.numerator or 0.0) - (r.denominator or 0.0), r.source_id or "", r) for r in records),
            key=lambda each: (-each[0], each[1]),
        )
        return [
            self._join(
                self._client(r.client_id),
                self.context.t("project {id}", id=plain(source_id)),
                self.context.t("{amount} over budget", amount=self._money(amount)),
                self._person(r.staff_id),
            )
            for amount, source_id, r in over
            if amount > 0
        ]

    def _people_below_target(self, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> list[str]:
        if member.scope == "own":
            return [self.context.t("Reviews are counted without naming the reviewers")]
        target = self._facts.lines[member, kpi.name, self._facts.period.start].target
        scores = []
        for staff_id in self._people(member):
            value = self._facts.values.get((ScopeMember("own", staff_id), kpi.name, self._facts.period.start))
            if value and value.value is not None and target is not None and value.value < target:
                scores.append((value.value, staff_id))
        return [
            self._join(plain(self._facts.names.people[staff_id].full_name), self.context.figures.value(value, "score"))
            for value, staff_id in sorted(scores)
        ] or [self.context.t("Reviews are counted without naming the reviewers")]


def _newest_first(records: Iterable[EvidenceRecord]) -> list[EvidenceRecord]:
    return sorted(records, key=lambda r: (-(r.event_date or date.min).toordinal(), r.source_id or ""))
