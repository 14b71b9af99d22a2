"""The agency as as_of sees it: entities without what has not happened yet, staff, assignments, periods.

Source: page 2, "Words" and "Who gets the credit".
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import TypeVar

from .rows import Rates, Row, Rows, read_rates
from .settings import Settings

DAY = timedelta(days=1)
T = TypeVar("T")


def _text(row: Row, name: str) -> str:
    value = row.values[name]
    assert isinstance(value, str), (row, name)
    return value


def _text_or_none(row: Row, name: str) -> str | None:
    return None if row.values[name] is None else _text(row, name)


def _day(row: Row, name: str) -> date:
    value = row.values[name]
    assert isinstance(value, date), (row, name)
    return value


def _day_or_none(row: Row, name: str) -> date | None:
    return None if row.values[name] is None else _day(row, name)


def _number(row: Row, name: str) -> Fraction:
    value = row.values[name]
    assert isinstance(value, Fraction), (row, name)
    return value


def _number_or_none(row: Row, name: str) -> Fraction | None:
    return None if row.values[name] is None else _number(row, name)


@dataclass(frozen=True)
class Contract:
    """A contract signed on or before as_of; `money` is at signed_date, `credit` that of the signing."""

    contract_id: str
    client_id: str
    credit: str | None
    kind: str
    signed: date
    start: date
    end: date
    cancelled: date | None
    money: Fraction


@dataclass(frozen=True)
class Proposal:
    """A proposal sent on or before as_of; a decision after as_of has not happened (outcome open)."""

    proposal_id: str
    client_id: str
    owner: str | None
    sent: date
    outcome: str
    decided: date | None
    supersedes: str | None


@dataclass(frozen=True)
class Project:
    """A project; delivery and cancellation after as_of have not happened. `budget` is reporting money."""

    project_id: str
    client_id: str
    owner: str | None
    start: date
    committed: date
    due: date
    delivered: date | None
    cancelled: date | None
    budget: Fraction | None
    costs: tuple[tuple[date, Fraction], ...]


@dataclass(frozen=True)
class Survey:
    """A survey sent on or before as_of; `share` is (score − min) / (max − min), for a response with a score."""

    response_id: str
    client_id: str
    credit: str | None
    sent: date
    responded: date | None
    score: Fraction | None
    low: Fraction
    high: Fraction

    @property
    def share(self) -> Fraction | None:
        """The score as a share of its scale; None without an answer or a score."""
        if self.responded is None or self.score is None:
            return None
        return (self.score - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Review:
    """A peer review that counts: 0–100, by somebody else, dated on or before as_of."""

    person: str
    reviewer: str
    department: str
    day: date
    score: Fraction


@dataclass(frozen=True)
class Target:
    """One row of kpi_targets."""

    valid_from: date
    target: Fraction
    weight: Fraction


@dataclass(frozen=True)
class Tenure:
    """What a staff row says, from its valid_from to the day before the person's next row."""

    first: date
    last: date
    role: str
    manager: str | None
    active: bool
    full_name: str


@dataclass(frozen=True)
class Period:
    """A grain's period; `months` are the numbers of its months (12 × year + month − 1)."""

    grain: str
    start: date
    end: date
    close: date
    months: range

    @property
    def opening(self) -> date:
        """The day before the period."""
        return self.start - DAY


def month_of(day: date) -> int:
    """The month's number: 12 × year + month − 1."""
    return 12 * day.year + day.month - 1


def first_day(month: int) -> date:
    """The first day of a month's number."""
    return date(month // 12, month % 12 + 1, 1)


def last_day(month: int) -> date:
    """The last day of a month's number."""
    return date(month // 12, month % 12 + 1, monthrange(month // 12, month % 12 + 1)[1])


def periods_between(first: int, as_of: date) -> list[Period]:
    """Months and trailing_12m of each month from `first` to as_of's, and the quarters and years that hold one."""
    spans: dict[tuple[str, int], range] = {}
    for month in range(first, month_of(as_of) + 1):
        spans["month", month] = range(month, month + 1)
        spans["quarter", month // 3] = range(month // 3 * 3, month // 3 * 3 + 3)
        spans["year", month // 12] = range(month // 12 * 12, month // 12 * 12 + 12)
        spans["trailing_12m", month] = range(month - 11, month + 1)
    found = []
    for (grain, _), months in spans.items():
        end = last_day(months[-1])
        found.append(Period(grain, first_day(months[0]), end, min(end, as_of), months))
    return found


@dataclass
class Staff:
    """Staff histories, and who is over whom on a day."""

    tenures: dict[str, list[Tenure]]
    roles: frozenset[str]
    epochs: list[date] = field(init=False)
    _over: dict[tuple[str, int], tuple[str, ...]] = field(init=False, default_factory=dict)
    _leads: dict[int, frozenset[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.epochs = sorted({tenure.first for found in self.tenures.values() for tenure in found})

    def on(self, person: str, day: date) -> Tenure | None:
        """The person's row that holds on a day."""
        found = self.tenures.get(person, [])
        place = bisect_right(found, day, key=lambda tenure: tenure.first) - 1
        return found[place] if place >= 0 else None

    def over(self, person: str, day: date) -> tuple[str, ...]:
        """Everyone over the person on a day, nearest first, each once; stops at a loop."""
        mark = (person, bisect_right(self.epochs, day))
        if mark not in self._over:
            chain: list[str] = []
            tenure = self.on(person, day)
            while tenure and tenure.manager and tenure.manager not in chain and tenure.manager != person:
                chain.append(tenure.manager)
                tenure = self.on(tenure.manager, day)
            self._over[mark] = tuple(chain)
        return self._over[mark]

    def loops(self, day: date) -> bool:
        """Whether following managers from somebody on this day comes back."""
        for person in self.tenures:
            seen = {person}
            tenure = self.on(person, day)
            while tenure and tenure.manager:
                if tenure.manager in seen:
                    return True
                seen.add(tenure.manager)
                tenure = self.on(tenure.manager, day)
        return False

    def is_account(self, tenure: Tenure | None) -> bool:
        """Whether a row says active account staff."""
        return tenure is not None and tenure.active and tenure.role in self.roles

    def role_on(self, person: str, day: date) -> str | None:
        """The account-staff role that the person holds on a day, active; None for everybody else."""
        tenure = self.on(person, day)
        return tenure.role if tenure is not None and self.is_account(tenure) else None

    def is_account_in(self, person: str, period: Period) -> bool:
        """Whether the person was active account staff on a day from period_start to close."""
        return any(
            self.is_account(tenure) and tenure.first <= period.close and tenure.last >= period.start
            for tenure in self.tenures.get(person, [])
        )

    def leads_on(self, day: date) -> frozenset[str]:
        """Everyone who has active account staff under them on a day."""
        place = bisect_right(self.epochs, day)
        if place not in self._leads:
            people = [person for person in self.tenures if self.is_account(self.on(person, day))]
            self._leads[place] = frozenset(lead for person in people for lead in self.over(person, day))
        return self._leads[place]

    def leads_in(self, period: Period) -> set[str]:
        """Everyone who had active account staff under them on a day from period_start to close."""
        days = [period.start, *(day for day in self.epochs if period.start < day <= period.close)]
        return {lead for day in days for lead in self.leads_on(day)}


@dataclass(frozen=True)
class Assignment:
    """A client's manager, from `first` to `last`, both included."""

    first: date
    last: date
    manager: str


@dataclass
class World:
    """Everything that the KPIs read."""

    as_of: date
    settings: Settings
    staff: Staff
    assignments: dict[str, list[Assignment]]
    contracts: list[Contract]
    proposals: list[Proposal]
    projects: list[Project]
    surveys: list[Survey]
    reviews: list[Review]
    targets: dict[tuple[str, str, str | None, str | None, str | None], list[Target]]
    periods: list[Period]
    client_names: dict[str, str]

    def manager(self, client: str, day: date) -> str | None:
        """The client's manager on a day, or nobody."""
        return manager_on(self.assignments, client, day)


def manager_on(assignments: Mapping[str, Sequence[Assignment]], client: str, day: date) -> str | None:
    """The account manager of the assignment that holds on the day, or nobody."""
    for assignment in assignments.get(client, ()):
        if assignment.first <= day <= assignment.last:
            return assignment.manager
    return None


def _histories(rows: Sequence[Row], key: str, make: Callable[[Row, date], T]) -> dict[str, list[T]]:
    """Rows by key in order of valid_from; `make` gets each row and the day before the next one's valid_from."""
    by_key: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_key[_text(row, key)].append(row)
    found: dict[str, list[T]] = {}
    for name, history in by_key.items():
        history.sort(key=lambda row: _day(row, "valid_from"))
        lasts = [_day(row, "valid_from") - DAY for row in history[1:]] + [date.max]
        found[name] = [make(row, last) for row, last in zip(history, lasts, strict=True)]
    return found


def _tenure(row: Row, last: date) -> Tenure:
    return Tenure(
        _day(row, "valid_from"),
        last,
        _text(row, "role"),
        _text_or_none(row, "manager_id"),
        row.values["is_active"] is True,
        _text(row, "full_name"),
    )


def _assignment(row: Row, last: date) -> Assignment:
    ends = _day_or_none(row, "valid_to")
    return Assignment(_day(row, "valid_from"), min(last, ends or last), _text(row, "account_manager_id"))


def build_world(rows: Rows, as_of: date, settings: Settings) -> World:
    """The world of the current rows on as_of."""
    current = rows.current
    rates = read_rates(rows, settings.reporting_currency)
    staff = Staff(_histories(current["staff"], "staff_id", _tenure), settings.account_roles)
    assignments = _histories(current["client_assignments"], "client_id", _assignment)

    def happened(day: date | None) -> date | None:
        return day if day is not None and day <= as_of else None

    begins = {
        "proposals": ("sent_date",),
        "contracts": ("signed_date", "start_date"),
        "projects": ("start_date",),
        "client_surveys": ("sent_date",),
        "peer_reviews": ("review_date",),
    }
    dates = [_day(row, name) for extract, names in begins.items() for row in current[extract] for name in names]
    periods = periods_between(month_of(min(dates)), as_of) if dates else []

    contracts = [
        Contract(
            _text(row, "contract_id"),
            _text(row, "client_id"),
            _text_or_none(row, "owner_id")
            or manager_on(assignments, _text(row, "client_id"), _day(row, "signed_date")),
            _text(row, "kind"),
            _day(row, "signed_date"),
            _day(row, "start_date"),
            _day(row, "end_date"),
            happened(_day_or_none(row, "cancelled_date")),
            rates.money(_number(row, "amount"), _text(row, "currency"), _day(row, "signed_date")),
        )
        for row in current["contracts"]
        if happened(_day(row, "signed_date"))
    ]
    owners = {_text(row, "project_id"): _text_or_none(row, "owner_id") for row in current["projects"]}
    surveys = []
    for row in current["client_surveys"]:
        if happened(_day(row, "sent_date")):
            owner = owners.get(_text_or_none(row, "project_id") or "")
            client = _text(row, "client_id")
            surveys.append(
                Survey(
                    _text(row, "response_id"),
                    client,
                    owner or manager_on(assignments, client, _day(row, "sent_date")),
                    _day(row, "sent_date"),
                    happened(_day_or_none(row, "responded_date")),
                    _number_or_none(row, "score"),
                    _number(row, "scale_min"),
                    _number(row, "scale_max"),
                )
            )
    return World(
        as_of,
        settings,
        staff,
        assignments,
        contracts,
        [_proposal(row, as_of) for row in current["proposals"] if happened(_day(row, "sent_date"))],
        _projects(current, rates, happened),
        surveys,
        _reviews(current["peer_reviews"], as_of),
        _targets(current["kpi_targets"]),
        periods,
        {_text(row, "client_id"): _text(row, "client_name") for row in current["clients"]},
    )


def _proposal(row: Row, as_of: date) -> Proposal:
    decided, outcome = _day_or_none(row, "decided_date"), _text(row, "outcome")
    if decided is not None and decided > as_of:
        decided, outcome = None, "open"
    return Proposal(
        _text(row, "proposal_id"),
        _text(row, "client_id"),
        _text_or_none(row, "owner_id"),
        _day(row, "sent_date"),
        outcome,
        decided,
        _text_or_none(row, "supersedes_proposal_id"),
    )


def _projects(
    current: Mapping[str, Sequence[Row]], rates: Rates, happened: Callable[[date | None], date | None]
) -> list[Project]:
    costs: dict[str, list[tuple[date, Fraction]]] = defaultdict(list)
    for row in current["project_costs"]:
        day = _day(row, "cost_date")
        if happened(day):
            costs[_text(row, "project_id")].append(
                (day, rates.money(_number(row, "amount"), _text(row, "currency"), day))
            )
    found = []
    for row in current["projects"]:
        committed, agreed = _day(row, "committed_due_date"), _day_or_none(row, "agreed_due_date")
        agreed_on, budget = _day_or_none(row, "agreed_on"), _number_or_none(row, "budget_amount")
        holds = agreed is not None and (agreed_on is None or agreed_on <= committed)
        start = _day(row, "start_date")
        found.append(
            Project(
                _text(row, "project_id"),
                _text(row, "client_id"),
                _text_or_none(row, "owner_id"),
                start,
                committed,
                agreed if agreed is not None and holds else committed,
                happened(_day_or_none(row, "delivered_date")),
                happened(_day_or_none(row, "cancelled_date")),
                None if budget is None else rates.money(budget, _text(row, "currency"), start),
                tuple(costs[_text(row, "project_id")]),
            )
        )
    return found


def _reviews(rows: Sequence[Row], as_of: date) -> list[Review]:
    found = []
    for row in rows:
        low, high = _number(row, "scale_min"), _number(row, "scale_max")
        given = [_number_or_none(row, name) for name in ("teamwork_score", "project_management_score")]
        scores = [100 * (score - low) / (high - low) for score in given if score is not None]
        person, reviewer, day = _text(row, "account_manager_id"), _text(row, "reviewer_id"), _day(row, "review_date")
        if scores and person != reviewer and day <= as_of:
            score = sum(scores, Fraction(0)) / len(scores)
            found.append(Review(person, reviewer, _text(row, "reviewer_department"), day, score))
    return found


def _targets(rows: Sequence[Row]) -> dict[tuple[str, str, str | None, str | None, str | None], list[Target]]:
    """Targets by (kpi, scope, grain, person, role), ascending by valid_from."""
    found: dict[tuple[str, str, str | None, str | None, str | None], list[Target]] = defaultdict(list)
    for row in rows:
        key = (
            _text(row, "kpi"),
            _text(row, "scope"),
            _text_or_none(row, "period_grain"),
            _text_or_none(row, "staff_id"),
            _text_or_none(row, "role"),
        )
        found[key].append(Target(_day(row, "valid_from"), _number(row, "target"), _number(row, "weight")))
    for history in found.values():
        history.sort(key=lambda target: target.valid_from)
    return found
