"""Projects of a client with their costs, and the surveys that follow."""

import random
from dataclasses import dataclass

from amkpi.sample_agency.clients import Client
from amkpi.sample_agency.deals import Contract, contract_of, months_served
from amkpi.sample_agency.names import project_name, survey_comment
from amkpi.sample_agency.scene import Scene, chance
from amkpi.sample_agency.timeline import PEAK, Day, busy_day, iso, month_at, month_season, season, working

_PROJECTS_A_MONTH = 0.95
_COST_DEPARTMENTS = (
    "creative", "creative", "creative", "media", "media", "production", "production", "planning", "",
)  # fmt: skip


@dataclass(frozen=True)
class _Project:
    """A project with its whole course; dates may be after as_of."""

    project_id: str
    doer: str
    start: Day
    due: Day
    delivered: Day | None
    cancelled: Day | None


def deliver(scene: Scene, client: Client, contracts: list[Contract], rng: random.Random) -> None:
    """Writes the client's projects, costs and surveys."""
    window = scene.window
    for index in months_served(contracts, window.first_month, window.last_month):
        # One to three projects in a busy month; the fraction is a probability.
        expected = _PROJECTS_A_MONTH * month_season(index)
        for _ in range(int(expected + rng.random()) + (rng.random() < 0.08)):
            _project(scene, client, contracts, rng, busy_day(rng, month_at(index)))
        if month_at(index).number in (3, 9):
            _relationship_survey(scene, client, rng, busy_day(rng, month_at(index)))


def _project(scene: Scene, client: Client, contracts: list[Contract], rng: random.Random, start: Day) -> None:
    window = scene.window
    doer, owner = scene.doer(client, start, rng, 0.35)
    due = working(start + 12 + int(rng.random() * 60))
    form = scene.org.form(doer, due)
    delivered, cancelled = _ending(rng, form, start, due)
    agreed, agreed_on = _agreement(rng, start, due, delivered)
    contract = contract_of(contracts, start)
    is_linked = rng.random() < 0.92 and contract is not None and contract.signed <= window.as_of
    budget = _budget(rng, client.fee) if rng.random() > 0.05 else 0.0
    name = project_name(rng, client.company.short_name, season(start) == PEAK)
    project = _Project(scene.landing.new_id("projects"), doer, start, due, delivered, cancelled)
    if start <= window.as_of:
        scene.landing.add(
            "projects",
            (
                project.project_id, client.client_id, owner, contract.contract_id if contract and is_linked else "",
                name, iso(start), iso(due),
                iso(agreed) if agreed and (agreed_on is None or agreed_on <= window.as_of) else "",
                window.known(agreed_on), window.known(delivered), window.known(cancelled),
                scene.rates.amount(budget, client.currency, start, 10) if budget else "", client.currency,
            ),
        )  # fmt: skip
    if rng.random() > 0.05:
        _costs(scene, client, rng, project, budget or _budget(rng, client.fee))
    if delivered is not None and rng.random() < 0.85:
        late = delivered > (agreed or due)
        _project_survey(scene, client, rng, project, delivered + 1 + int(rng.random() * 7), late)


def _ending(rng: random.Random, form: float, start: Day, due: Day) -> tuple[Day | None, Day | None]:
    """When the project was delivered, and when cancelled; one of both is None."""
    roll = rng.random()
    if roll < 0.03:
        return None, working(start + 2 + int(rng.random() * max(1, due - start - 4)))
    if roll < 0.04:
        return None, working(due + 5 + int(rng.random() * 40))
    if rng.random() < chance(0.84, form):
        early = due - int(rng.random() * rng.random() * 14)
        return max(start, early if working(early) == early else due), None
    return working(due + 1 + int(rng.expovariate(0.12 if form > -1.2 else 0.05))), None


def _agreement(rng: random.Random, start: Day, due: Day, delivered: Day | None) -> tuple[Day | None, Day | None]:
    """A new due date and when it was agreed: mostly before the first one, sometimes after it or without a date."""
    roll = rng.random()
    # A late project more often gets a new date, so some late projects are on time after all.
    if roll > (0.22 if delivered is not None and delivered > due else 0.05):
        return None, None
    agreed = working(due + 5 + int(rng.random() * 16))
    if roll < 0.012:
        return agreed, None
    if roll < 0.03:
        return agreed, working(due + 1 + int(rng.random() * 6))
    return agreed, max(start, due - 2 - int(rng.random() * 10))


def _budget(rng: random.Random, fee: float) -> float:
    return min(1.2e9, max(15e6, fee * rng.lognormvariate(0.0, 0.5)))


def _costs(scene: Scene, client: Client, rng: random.Random, project: _Project, budget: float) -> None:
    """Four to nine costs; about the budget in sum, more where the team's form is poor."""
    as_of, landing, rates = scene.window.as_of, scene.landing, scene.rates
    end = project.delivered or project.cancelled or project.due
    form = scene.org.form(project.doer, end)
    ratio = max(0.35, rng.gauss(0.94 - 0.09 * form, 0.11))
    count = 4 + int(rng.random() * 6)
    # Department heads buy in VND; a foreign client's media is booked in its currency.
    each = ratio * budget / count
    span = max(1, end - project.start + 8)
    for _ in range(count):
        day = project.start + int(rng.random() * span)
        amount = each * (0.5 + rng.random())
        department = rng.choice(_COST_DEPARTMENTS)
        cost_id = landing.new_id("project_costs")
        if day <= as_of:
            currency = client.currency if department == "media" else "VND"
            text = rates.amount(amount, currency, day, 10)
            landing.add("project_costs", (cost_id, project.project_id, iso(day), department, text, currency))
    if rng.random() < 0.05:
        credited = end + 3 + int(rng.random() * 25)
        credit = rates.amount(-budget * (0.03 + 0.1 * rng.random()), "VND", credited, 10)
        cost_id = landing.new_id("project_costs")
        if credited <= as_of:
            landing.add("project_costs", (cost_id, project.project_id, iso(credited), "production", credit, "VND"))


def _project_survey(scene: Scene, client: Client, rng: random.Random, project: _Project, sent: Day, late: bool) -> None:
    form = scene.org.form(project.doer, sent) - (0.8 if late else 0.0)
    _survey(scene, client, rng, project.project_id, working(sent), form, is_ten=rng.random() < 0.15)


def _relationship_survey(scene: Scene, client: Client, rng: random.Random, sent: Day) -> None:
    manager = client.manager(sent)
    form = 0.0 if manager is None else scene.org.form(manager, sent)
    _survey(scene, client, rng, "", sent, form, is_ten=True)


def _survey(
    scene: Scene, client: Client, rng: random.Random, project_id: str, sent: Day, form: float, *, is_ten: bool
) -> None:
    """One questionnaire, on 1 to 5 or 0 to 10; a third stay unanswered, a few answers carry a comment and no score."""
    is_answered = rng.random() < 0.68
    responded = working(sent + int(rng.random() * 13))
    is_satisfied = rng.random() < chance(0.85, form)
    is_scored = rng.random() > 0.02
    roll = rng.random()
    if is_ten:
        score = 8 + int(3 * roll) if is_satisfied else 3 + int(5 * roll)
    else:
        score = 4 + (roll < 0.5) if is_satisfied else 1 + int(3 * roll**0.5)
    comment = survey_comment(rng, is_satisfied)
    response_id = scene.landing.new_id("client_surveys")
    if sent > scene.window.as_of:
        return
    if not is_answered or responded > scene.window.as_of:
        answer = ("", "")
        comment = ""
    else:
        answer = (iso(responded), str(int(score)) if is_scored else "")
    scene.landing.add(
        "client_surveys",
        (
            response_id, client.client_id, project_id, iso(sent), *answer,
            *(("0", "10") if is_ten else ("1", "5")), comment,
        ),
    )  # fmt: skip
