"""The records that the eight KPIs count, the values per person and scope, and the evidence.

Source: page 2, "Formulas" and "Scopes". Money and shares are exact fractions until a row is written.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from .contract import KPIS
from .world import DAY, Contract, Period, Review, World, month_of

ZERO = Fraction(0)
ONE = Fraction(1)
Z_95 = 1.959963984540054
UNITS = dict.fromkeys(KPIS, "ratio") | {"client_revenue": "money", "internal_collaboration_score": "score"}
NO_DATA = {
    "client_retention_rate": "no_opening_clients",
    "on_time_delivery_rate": "nothing_due",
    "client_satisfaction": "no_responses",
    "contract_win_rate": "no_proposals",
    "upsell_cross_sell_rate": "no_opening_clients",
    "cost_to_budget_ratio": "nothing_delivered",
}


@dataclass(frozen=True)
class Record:
    """One record that a KPI counts on its event date, for its person (None: the company alone)."""

    kpi: str
    person: str | None
    client: str | None
    event: date
    extract: str
    source: str
    numerator: Fraction
    denominator: Fraction | None
    size: int


@dataclass(frozen=True)
class Value:
    """A KPI's exact value for a scope, person and period."""

    value: Fraction | None
    numerator: Fraction | None
    denominator: Fraction | None
    size: int
    reason: str | None
    undecided: int = 0


Place = tuple[str, str | None]  # scope and person
Sums = tuple[Fraction, Fraction, int]


def taken_back(contract: Contract) -> Fraction:
    """The share U / T of the amount that a cancellation takes back, by the later of cancelled and signed."""
    assert contract.cancelled is not None
    gone = max(contract.cancelled, contract.signed)
    whole = (contract.end - contract.start).days + 1
    if gone <= contract.start:
        return ONE
    if gone > contract.end:
        return ZERO
    return Fraction((contract.end - gone).days + 1, whole)


def signings_and_cancellations(world: World) -> Iterator[tuple[Contract, Record]]:
    """KPI 1's two kinds of record, of contracts of any kind: the signing (size 1) and the cancellation (size 0)."""
    for contract in world.contracts:
        whose = (contract.credit, contract.client_id)
        source = ("contracts", contract.contract_id)
        yield contract, Record("client_revenue", *whose, contract.signed, *source, contract.money, None, 1)
        if contract.cancelled is not None:
            gone = max(contract.cancelled, contract.signed)
            back = -contract.money * taken_back(contract)
            yield contract, Record("client_revenue", *whose, gone, *source, back, None, 0)


def superseded(world: World) -> set[str]:
    """Proposals that another proposal, sent on or before as_of, supersedes."""
    return {
        proposal.supersedes
        for proposal in world.proposals
        if proposal.supersedes is not None and proposal.supersedes != proposal.proposal_id
    }


def dated_records(world: World) -> Iterator[Record]:
    """The records of KPIs 1, 3, 4, 5 and 7, which count in every period that holds their event date."""
    for contract, record in signings_and_cancellations(world):
        if contract.kind in world.settings.revenue_kinds:
            yield record
    for project in world.projects:
        if project.due <= world.as_of and (project.cancelled is None or project.cancelled > project.due):
            in_time = project.delivered is not None and project.delivered <= project.due
            person = project.owner or world.manager(project.client_id, project.due)
            whose = (person, project.client_id, project.due)
            yield Record("on_time_delivery_rate", *whose, "projects", project.project_id, Fraction(in_time), ONE, 1)
        if project.delivered and project.budget and project.costs and project.cancelled is None:
            person = project.owner or world.manager(project.client_id, project.delivered)
            spent = sum((money for _, money in project.costs), ZERO)
            source = ("projects", project.project_id)
            whose = (person, project.client_id, project.delivered)
            yield Record("cost_to_budget_ratio", *whose, *source, spent, project.budget, 1)
    for survey in world.surveys:
        if survey.responded is not None and survey.share is not None:
            happy = Fraction(survey.share >= world.settings.csat_threshold)
            whose = (survey.credit, survey.client_id, survey.responded)
            yield Record("client_satisfaction", *whose, "client_surveys", survey.response_id, happy, ONE, 1)
    replaced = superseded(world)
    for proposal in world.proposals:
        if proposal.proposal_id not in replaced:
            won = Fraction(proposal.outcome == "won")
            person = proposal.owner or world.manager(proposal.client_id, proposal.sent)
            whose = (person, proposal.client_id, proposal.sent)
            yield Record("contract_win_rate", *whose, "proposals", proposal.proposal_id, won, ONE, 1)


class Clients:
    """When clients are active, and which opening clients a period has."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.spans: dict[str, list[tuple[date, date]]] = defaultdict(list)
        self.expansions: dict[str, list[Contract]] = defaultdict(list)
        for contract in world.contracts:
            last = contract.end if contract.cancelled is None else min(contract.end, contract.cancelled - DAY)
            if contract.start <= last:
                self.spans[contract.client_id].append((contract.start, last))
            if contract.kind in ("upsell", "cross_sell"):
                self.expansions[contract.client_id].append(contract)
        self._active: dict[date, frozenset[str]] = {}

    def active(self, day: date) -> frozenset[str]:
        """Clients with a contract in force on the day or on one of the grace days before it."""
        if day not in self._active:
            since = day - timedelta(days=self.world.settings.retention_grace_days)
            self._active[day] = frozenset(
                client
                for client, spans in self.spans.items()
                if any(first <= day and last >= since for first, last in spans)
            )
        return self._active[day]

    def records(self, period: Period) -> Iterator[Record]:
        """The records of KPIs 2 and 6: the opening clients, credited to their managers on opening."""
        remaining = self.active(period.close)
        for client in sorted(self.active(period.opening)):
            whose = (self.world.manager(client, period.opening), client, period.opening, "clients", client)
            expanded = any(
                period.start <= contract.signed <= period.close
                and (contract.cancelled is None or contract.cancelled > period.close)
                for contract in self.expansions[client]
            )
            yield Record("client_retention_rate", *whose, Fraction(client in remaining), ONE, 1)
            yield Record("upsell_cross_sell_rate", *whose, Fraction(expanded), ONE, 1)


def places_of(world: World, person: str | None, day: date) -> list[Place]:
    """The scopes and persons for which a record counts: company, its person, the teams on the event date."""
    places: list[Place] = [("company", None)]
    if person is not None:
        places += [("own", person), ("team", person)]
        places += [("team", lead) for lead in world.staff.over(person, day)]
    return places


class Counted:
    """All records, summed by scope, person and month (KPIs 1, 3, 4, 5, 7), by period (2, 6), reviews by month."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dated = list(dated_records(world))
        self.clients = Clients(world)
        self.of_period = {period: list(self.clients.records(period)) for period in world.periods}
        self.months: dict[tuple[str, Place, int], Sums] = {}
        self.periods: dict[tuple[str, Place, Period], Sums] = {}
        self.reviews: dict[tuple[Place, int], list[Review]] = defaultdict(list)
        self.people: dict[int, set[str]] = defaultdict(set)
        self.undecided: Counter[tuple[Place, int]] = Counter()
        still_open = {proposal.proposal_id for proposal in world.proposals if proposal.outcome == "open"}
        for record in self.dated:
            month = month_of(record.event)
            if record.person is not None:
                self.people[month].add(record.person)
            for place in places_of(world, record.person, record.event):
                key = (record.kpi, place, month)
                self.months[key] = add(self.months.get(key), record)
                self.undecided[place, month] += record.kpi == "contract_win_rate" and record.source in still_open
        for period, records in self.of_period.items():
            for record in records:
                for place in places_of(world, record.person, record.event):
                    span = (record.kpi, place, period)
                    self.periods[span] = add(self.periods.get(span), record)
        for review in world.reviews:
            month = month_of(review.day)
            self.people[month].add(review.person)
            for place in places_of(world, review.person, review.day):
                self.reviews[place, month].append(review)

    def places(self, period: Period) -> list[Place]:
        """The scopes and persons that have rows in a period."""
        staff = self.world.staff
        own = {person for person in staff.tenures if staff.is_account_in(person, period)}
        for month in period.months:
            own |= self.people.get(month, set())
        own |= {record.person for record in self.of_period[period] if record.person is not None}
        places: list[Place] = [("company", None)]
        places += [("own", person) for person in sorted(own)]
        return places + [("team", person) for person in sorted(staff.leads_in(period))]

    def reviews_of(self, place: Place, period: Period) -> list[Review]:
        """The reviews that count for a scope and person in a period."""
        return [review for month in period.months for review in self.reviews.get((place, month), ())]

    def value(self, kpi: str, place: Place, period: Period) -> Value:
        """A KPI's value for a scope and person in a period."""
        if kpi == "internal_collaboration_score":
            is_running = period.end > self.world.as_of
            return collaboration(self.reviews_of(place, period), self.world.settings.min_raters, is_running=is_running)
        if kpi in ("client_retention_rate", "upsell_cross_sell_rate"):
            found = [self.periods.get((kpi, place, period))]
        else:
            found = [self.months.get((kpi, place, month)) for month in period.months]
        numerator, denominator, size = total([sums for sums in found if sums is not None])
        if kpi == "client_revenue":
            return Value(numerator, numerator, None, size, None)
        if denominator == 0:
            return Value(None, ZERO, ZERO, 0, NO_DATA[kpi])
        undecided = sum(self.undecided[place, month] for month in period.months) if kpi == "contract_win_rate" else 0
        return Value(numerator / denominator, numerator, denominator, size, None, undecided)


def add(sums: Sums | None, record: Record) -> Sums:
    """Sums with a record more."""
    numerator, denominator, size = sums or (ZERO, ZERO, 0)
    return numerator + record.numerator, denominator + (record.denominator or ZERO), size + record.size


def total(found: Sequence[Sums]) -> Sums:
    """The sum of sums."""
    return sum((s[0] for s in found), ZERO), sum((s[1] for s in found), ZERO), sum(s[2] for s in found)


def collaboration(reviews: Sequence[Review], min_raters: int, *, is_running: bool) -> Value:
    """KPI 8: the mean over reviewer departments of the department's mean review.

    Hidden with too few reviewers, and while the period is running.
    """
    raters = len({review.reviewer for review in reviews})
    if not reviews:
        return Value(None, None, None, 0, "no_reviews")
    if is_running:
        return Value(None, None, None, 0, "period_running")
    if raters < min_raters:
        return Value(None, None, None, raters, "too_few_raters")
    departments: dict[str, list[Fraction]] = defaultdict(list)
    for review in reviews:
        departments[review.department].append(review.score)
    means = [sum(scores, ZERO) / len(scores) for scores in departments.values()]
    mean = sum(means, ZERO) / len(means)
    return Value(mean, mean, None, raters, None)


def wilson(numerator: Fraction | None, denominator: Fraction | None) -> tuple[float | None, float | None]:
    """Bounds of the 95% Wilson score interval of numerator successes of denominator."""
    if numerator is None or not denominator:
        return None, None
    n, p = float(denominator), float(numerator / denominator)
    middle = p + Z_95**2 / (2 * n)
    half = Z_95 * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n * n))
    whole = 1 + Z_95**2 / n
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def number(value: Fraction | None) -> float | None:
    """A fraction as the nearest double."""
    return None if value is None else float(value)


def value_rows(values: Mapping[tuple[str, Place, Period], Value], as_of: date) -> list[dict[str, object]]:
    """`kpi_values`."""
    found: list[dict[str, object]] = []
    for (kpi, (scope, person), period), value in values.items():
        is_share = kpi in NO_DATA and kpi != "cost_to_budget_ratio"
        low, high = wilson(value.numerator, value.denominator) if is_share else (None, None)
        found.append(
            {
                "kpi": kpi,
                "scope": scope,
                "staff_id": person,
                "period_grain": period.grain,
                "period_start": period.start,
                "period_end": period.end,
                "value": number(value.value),
                "numerator": number(value.numerator),
                "denominator": number(value.denominator),
                "sample_size": value.size,
                "unit": UNITS[kpi],
                "is_provisional": period.end > as_of,
                "null_reason": value.reason,
                "wilson_low": low,
                "wilson_high": high,
                "undecided": value.undecided,
            }
        )
    return found


# The columns of the evidence that say what became of a record; KPI 8 has none of them.
TOLD = (
    "record_name", "client_name", "state", "due_date", "done_date", "days_late", "amount", "team_path", "file_name",
    "line_number", "kind",
)  # fmt: skip


def evidence_rows(counted: Counted, told: Callable[[Record, Period], dict[str, object]]) -> list[dict[str, object]]:
    """`kpi_evidence`: a row a record and period; KPI 8 a row a person and period that has reviews.

    told: what became of a record, the columns `TOLD`.
    """
    by_month: dict[int, list[Record]] = defaultdict(list)
    for record in counted.dated:
        by_month[month_of(record.event)].append(record)
    found: list[dict[str, object]] = []
    for period, of_period in counted.of_period.items():
        dated = [record for month in period.months for record in by_month.get(month, ())]
        for record in [*dated, *of_period]:
            found.append(
                {
                    "kpi": record.kpi,
                    "staff_id": record.person,
                    "client_id": record.client,
                    "event_date": record.event,
                    "period_grain": period.grain,
                    "period_start": period.start,
                    "source_extract": record.extract,
                    "source_id": record.source,
                    "numerator": number(record.numerator),
                    "denominator": number(record.denominator),
                    **told(record, period),
                }
            )
        people = {person for month in period.months for person in counted.people.get(month, ())}
        for person in sorted(people):
            if counted.reviews_of(("own", person), period):
                value = counted.value("internal_collaboration_score", ("own", person), period)
                found.append(
                    {
                        "kpi": "internal_collaboration_score",
                        "staff_id": person,
                        "client_id": None,
                        "event_date": None,
                        "period_grain": period.grain,
                        "period_start": period.start,
                        "source_extract": None,
                        "source_id": None,
                        "numerator": number(value.numerator),
                        "denominator": None,
                        **dict.fromkeys(TOLD),
                    }
                )
    return found
