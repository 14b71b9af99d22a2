"""Supporting measures, for the same scopes, persons and periods as the KPIs.

The page gives names only; each definition here is read from the page's sense. Event date, credit and teams are those
of the KPI beside it. "By now" means on or before as_of.

- revenue_new_business, _upsell, _cross_sell, _renewal: KPI 1's sum over contracts of that kind, whatever revenue_kinds.
- expansions_signed: upsell and cross_sell contracts by signed_date, cancelled later or not; credit of the signing.
- projects_on_time: KPI 3's numerator.
- closed_win_rate: of proposals not superseded, won / (won + lost), by decided_date; owner, else manager on that date.
- proposals_open: of KPI 5's proposals (by sent_date), those with outcome open, or not decided by now.
- satisfaction_mean: mean of 100 × (score − min) / (max − min) over KPI 4's responses.
- survey_response_rate: surveys answered by now (with a score or not) / surveys sent, by sent_date.
- net_promoter_score: over KPI 4's responses of scale 0–10: 100 × (those ≥ 9 − those ≤ 6) / all.
- on_time_vs_committed_rate: over KPI 3's projects (by due date): delivered on or before committed_due_date / all.
- days_late_median: median, over KPI 3's projects that are late, of delivered_date (as_of if not delivered) − due date.
- projects_over_budget_share: of KPI 7's projects, those whose costs exceed the budget / all.
- open_projects_over_budget: projects started, not delivered, not cancelled on close, of a budget above 0 that costs
  dated on or before close exceed; owner, else manager on close; teams on close.
- projects_without_budget: delivered in the period, not cancelled by now, budget empty or 0.
- projects_without_costs: delivered in the period, not cancelled by now, a budget above 0, no cost by now.

Sums and counts: value = numerator, denominator NULL. Ratios: value NULL where the denominator is 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from statistics import median

from .records import ZERO, Counted, Place, Record, number, places_of, signings_and_cancellations, superseded
from .world import Period, World, month_of

ONE = Fraction(1)
KINDS_OF_REVENUE = ("new_business", "upsell", "cross_sell", "renewal")
UNITS = {f"revenue_{kind}": "money" for kind in KINDS_OF_REVENUE} | {
    "expansions_signed": "count",
    "projects_on_time": "count",
    "closed_win_rate": "ratio",
    "proposals_open": "count",
    "satisfaction_mean": "score",
    "survey_response_rate": "ratio",
    "net_promoter_score": "score",
    "on_time_vs_committed_rate": "ratio",
    "days_late_median": "days",
    "projects_over_budget_share": "ratio",
    "open_projects_over_budget": "count",
    "projects_without_budget": "count",
    "projects_without_costs": "count",
}
WITHOUT_DENOMINATOR = ("money", "count")


@dataclass(frozen=True)
class Entry:
    """One record of a measure on its event date."""

    measure: str
    person: str | None
    event: date
    numerator: Fraction
    denominator: Fraction


def entries(world: World, counted: Counted) -> Iterator[Entry]:
    """The records of all measures but open_projects_over_budget, which is asked per period."""
    for contract, record in signings_and_cancellations(world):
        yield Entry(f"revenue_{contract.kind}", record.person, record.event, record.numerator, ZERO)
        if contract.kind in ("upsell", "cross_sell") and record.size:
            yield Entry("expansions_signed", record.person, record.event, ONE, ZERO)
    by_kpi: dict[str, dict[str, Record]] = defaultdict(dict)
    for record in counted.dated:
        by_kpi[record.kpi][record.source] = record
    yield from _of_projects(world, by_kpi)
    replaced = superseded(world)
    for proposal in world.proposals:
        if proposal.proposal_id in replaced:
            continue
        sent = by_kpi["contract_win_rate"][proposal.proposal_id]
        yield Entry("proposals_open", sent.person, sent.event, Fraction(proposal.outcome == "open"), ZERO)
        if proposal.outcome in ("won", "lost") and proposal.decided is not None:
            person = proposal.owner or world.manager(proposal.client_id, proposal.decided)
            yield Entry("closed_win_rate", person, proposal.decided, Fraction(proposal.outcome == "won"), ONE)
    for survey in world.surveys:
        answered = Fraction(survey.responded is not None)
        yield Entry("survey_response_rate", survey.credit, survey.sent, answered, ONE)
        if survey.responded is not None and survey.share is not None and survey.score is not None:
            yield Entry("satisfaction_mean", survey.credit, survey.responded, 100 * survey.share, ONE)
            if survey.low == 0 and survey.high == 10:
                side = 100 * ((survey.score >= 9) - (survey.score <= 6))
                yield Entry("net_promoter_score", survey.credit, survey.responded, Fraction(side), ONE)


def _of_projects(world: World, by_kpi: Mapping[str, Mapping[str, Record]]) -> Iterator[Entry]:
    for project in world.projects:
        due = by_kpi["on_time_delivery_rate"].get(project.project_id)
        if due is not None:
            yield Entry("projects_on_time", due.person, due.event, due.numerator, ZERO)
            kept = project.delivered is not None and project.delivered <= project.committed
            yield Entry("on_time_vs_committed_rate", due.person, due.event, Fraction(kept), ONE)
            late = ((project.delivered or world.as_of) - project.due).days
            if late > 0 or project.delivered is None:
                yield Entry("days_late_median", due.person, due.event, Fraction(late), ONE)
        ratio = by_kpi["cost_to_budget_ratio"].get(project.project_id)
        if ratio is not None and ratio.denominator is not None:
            over = Fraction(ratio.numerator > ratio.denominator)
            yield Entry("projects_over_budget_share", ratio.person, ratio.event, over, ONE)
        if project.delivered is not None and project.cancelled is None:
            person = project.owner or world.manager(project.client_id, project.delivered)
            if not project.budget:
                yield Entry("projects_without_budget", person, project.delivered, ONE, ZERO)
            elif not project.costs:
                yield Entry("projects_without_costs", person, project.delivered, ONE, ZERO)


def _open_over_budget(world: World, close: date) -> dict[Place, int]:
    """How many open projects are over budget on close, for each scope and person."""
    found: dict[Place, int] = defaultdict(int)
    for project in world.projects:
        gone = any(day is not None and day <= close for day in (project.delivered, project.cancelled))
        if gone or project.start > close or not project.budget:
            continue
        if sum((money for day, money in project.costs if day <= close), ZERO) > project.budget:
            for place in places_of(world, project.owner or world.manager(project.client_id, close), close):
                found[place] += 1
    return found


def measure_rows(world: World, counted: Counted, places: Mapping[Period, Sequence[Place]]) -> list[dict[str, object]]:
    """`supporting_measures`: a row for every measure, scope, person and period."""
    months: dict[tuple[str, Place, int], list[Entry]] = defaultdict(list)
    for entry in entries(world, counted):
        for place in places_of(world, entry.person, entry.event):
            months[entry.measure, place, month_of(entry.event)].append(entry)
    sums = {
        key: (sum((e.numerator for e in found), ZERO), sum((e.denominator for e in found), ZERO))
        for key, found in months.items()
    }
    over_on = {close: _open_over_budget(world, close) for close in {period.close for period in places}}
    rows: list[dict[str, object]] = []
    for period, in_period in places.items():
        for place in in_period:
            for measure, unit in UNITS.items():
                keys = [key for month in period.months if (key := (measure, place, month)) in sums]
                numerator: Fraction | None = sum((sums[key][0] for key in keys), ZERO)
                denominator: Fraction | None = sum((sums[key][1] for key in keys), ZERO)
                value: Fraction | None
                if measure == "days_late_median":
                    days = [entry.numerator for key in keys for entry in months[key]]
                    value, numerator = (median(days) if days else None), None
                elif unit in WITHOUT_DENOMINATOR:
                    if measure == "open_projects_over_budget":
                        numerator = Fraction(over_on[period.close].get(place, 0))
                    value, denominator = numerator, None
                else:
                    value = numerator / denominator if numerator is not None and denominator else None
                rows.append(
                    {
                        "measure": measure,
                        "scope": place[0],
                        "staff_id": place[1],
                        "period_grain": period.grain,
                        "period_start": period.start,
                        "period_end": period.end,
                        "value": number(value),
                        "numerator": number(numerator),
                        "denominator": number(denominator),
                        "unit": unit,
                    }
                )
    return rows
