"""What the evidence says of each record besides its numbers, and the overviews of the run's date.

Source: docs/marts.md and docs/kpis.md. Days are counted one by one and money is in exact fractions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from .records import ZERO, Clients, Counted, Record, number, superseded
from .rows import Rates, Row, Rows, read_rates
from .world import DAY, Contract, Period, Project, Proposal, Survey, World

MartRow = dict[str, object]
_IDS = {
    "clients": "client_id",
    "proposals": "proposal_id",
    "contracts": "contract_id",
    "projects": "project_id",
    "client_surveys": "response_id",
}


@dataclass(frozen=True)
class Fate:
    """What became of a record."""

    state: str
    due: date | None = None
    done: date | None = None
    days_late: int | None = None
    amount: Fraction | None = None


class Details:
    """What is known of every record of an agency."""

    def __init__(self, world: World, rows: Rows, counted: Counted) -> None:
        self.world = world
        self.counted = counted
        self.rates: Rates = read_rates(rows, world.settings.reporting_currency)
        self.rows: dict[str, dict[str, Row]] = {
            extract: {str(row.values[key]): row for row in rows.current[extract]} for extract, key in _IDS.items()
        }
        self.contracts: dict[str, Contract] = {each.contract_id: each for each in world.contracts}
        self.projects: dict[str, Project] = {each.project_id: each for each in world.projects}
        self.surveys: dict[str, Survey] = {each.response_id: each for each in world.surveys}
        self.proposals: dict[str, Proposal] = {each.proposal_id: each for each in world.proposals}
        self.of_client: dict[str, list[Contract]] = defaultdict(list)
        for contract in world.contracts:
            self.of_client[contract.client_id].append(contract)

    def columns(self, record: Record, period: Period) -> MartRow:
        """The columns of `kpi_evidence` that follow the denominator."""
        fate = self.fate(record, period)
        over = self.world.staff.over(record.person, record.event) if record.person is not None else ()
        return {
            **self.named(record.extract, record.source),
            "client_name": self.world.client_names.get(record.client or ""),
            "state": fate.state,
            "due_date": fate.due,
            "done_date": fate.done,
            "days_late": fate.days_late,
            "amount": number(fate.amount),
            "team_path": list(over) or None,
        }

    def named(self, extract: str, source: str) -> MartRow:
        """The name of a record, its kind, and where it came from."""
        row = self.rows[extract].get(source)
        place = self._place(row)
        if row is None:
            return {"record_name": None, "kind": None, **place}
        name = {"clients": "client_name", "projects": "project_name"}.get(extract)
        asked = self.rows["projects"].get(str(row.values.get("project_id"))) if extract == "client_surveys" else None
        return {
            "record_name": asked.values["project_name"] if asked else row.values[name] if name else None,
            "kind": row.values["kind"] if extract in ("contracts", "proposals") else None,
            **place,
        }

    def _place(self, row: Row | None) -> MartRow:
        return {"file_name": row and row.file_name, "line_number": row and row.line}

    def fate(self, record: Record, period: Period) -> Fate:
        """What became of a record by the close of a period, or by as_of."""
        if record.kpi == "client_revenue":
            return Fate("signed" if record.size else "cancelled", done=record.event, amount=record.numerator)
        if record.kpi == "client_retention_rate":
            return self._retention(record, period)
        if record.kpi == "upsell_cross_sell_rate":
            return self._expansion(record, period)
        if record.kpi == "on_time_delivery_rate":
            return self.project(self.projects[record.source])
        if record.kpi == "client_satisfaction":
            return Fate("satisfied" if record.numerator else "not_satisfied", done=record.event)
        if record.kpi == "contract_win_rate":
            proposal = self.proposals[record.source]
            return Fate(proposal.outcome, done=proposal.decided, amount=self.proposal_money(record.source))
        assert record.kpi == "cost_to_budget_ratio", record.kpi
        project = self.project(self.projects[record.source])
        assert record.denominator is not None
        over = record.numerator - record.denominator
        state = "over_budget" if over > 0 else "on_budget"
        return Fate(state, project.due, record.event, project.days_late, over)

    def proposal_money(self, proposal_id: str) -> Fraction | None:
        """A proposal's amount at the rate of the day it was sent; None where there was no rate yet."""
        values = self.rows["proposals"][proposal_id].values
        amount, sent = values["amount"], values["sent_date"]
        assert isinstance(amount, Fraction)
        assert isinstance(sent, date)
        try:
            return self.rates.money(amount, str(values["currency"]), sent)
        except LookupError:
            return None

    def project(self, project: Project) -> Fate:
        """What became of a project by as_of."""
        due, delivered, cancelled = project.due, project.delivered, project.cancelled
        if cancelled is not None and (cancelled <= due or delivered is None):
            late = (cancelled - due).days
            return Fate("cancelled", due, cancelled, late if late > 0 else None)
        if delivered is not None:
            late = (delivered - due).days
            return (
                Fate("delivered_late", due, delivered, late) if late > 0 else Fate("delivered_on_time", due, delivered)
            )
        if due <= self.world.as_of:
            return Fate("overdue", due, None, (self.world.as_of - due).days)
        return Fate("open", due)

    def _retention(self, record: Record, period: Period) -> Fate:
        grace = timedelta(days=self.world.settings.retention_grace_days)
        worth, reaches = ZERO, []
        for contract in self.of_client[record.source]:
            last = last_day(contract)
            if last < contract.start or contract.start > period.close:
                continue
            reaches.append(last)
            if contract.start <= period.opening <= last + grace:
                worth += contract.money
        end = max(reaches)
        if record.numerator:
            return Fate("retained", end, amount=worth)
        return Fate("lost_client", end, end, amount=worth)

    def _expansion(self, record: Record, period: Period) -> Fate:
        bought = [
            contract
            for contract in self.counted.clients.expansions[record.source]
            if period.start <= contract.signed <= period.close
            and (contract.cancelled is None or contract.cancelled > period.close)
        ]
        if not bought:
            return Fate("not_expanded")
        amount = sum((contract.money for contract in bought), ZERO)
        return Fate("expanded", done=min(contract.signed for contract in bought), amount=amount)


def last_day(contract: Contract) -> date:
    """The last day on which a contract is in force; before its start where it never was."""
    return contract.end if contract.cancelled is None else min(contract.end, contract.cancelled - DAY)


def project_rows(details: Details) -> list[MartRow]:
    """`project_overview`."""
    world, found = details.world, []
    for project in world.projects:
        fate, row = details.project(project), details.rows["projects"][project.project_id]
        budget = project.budget or None
        cost = sum((money for _, money in project.costs), ZERO) if project.costs else None
        over = cost - budget if cost is not None and budget is not None and cost > budget else None
        person = project.owner or world.manager(project.client_id, min(project.due, world.as_of))
        found.append(
            _common(details, "projects", project.project_id, project.client_id, person)
            | {
                "project_id": project.project_id,
                "project_name": row.values["project_name"],
                "state": fate.state,
                "start_date": project.start,
                "committed_due_date": project.committed,
                "due_date": project.due,
                "done_date": fate.done,
                "days_late": fate.days_late,
                "budget": number(budget),
                "cost": number(cost),
                "over_budget": number(over),
                "contract_id": row.values["contract_id"],
            }
        )
    return found


def contract_state(contract: Contract, as_of: date) -> str:
    """running, upcoming, ended or cancelled."""
    if contract.cancelled is not None and contract.cancelled <= contract.end:
        return "cancelled"
    if contract.end < as_of:
        return "ended"
    return "upcoming" if contract.start > as_of else "running"


def renewal_due(contract: Contract, others: Sequence[Contract], world: World) -> date | None:
    """The end of a contract that no other one of the client follows within the grace days, while one still can."""
    grace = world.settings.retention_grace_days
    if contract_state(contract, world.as_of) == "cancelled" or contract.end + timedelta(days=grace) < world.as_of:
        return None
    days = [contract.end + timedelta(days=n) for n in range(1, grace + 2)]
    followed = any(
        other.start <= day <= last_day(other)
        for other in others
        if other.contract_id != contract.contract_id
        for day in days
    )
    return None if followed else contract.end


def contract_rows(details: Details) -> list[MartRow]:
    """`contract_overview`."""
    return [
        _common(details, "contracts", contract.contract_id, contract.client_id, contract.credit)
        | {
            "contract_id": contract.contract_id,
            "kind": contract.kind,
            "state": contract_state(contract, details.world.as_of),
            "signed_date": contract.signed,
            "start_date": contract.start,
            "end_date": contract.end,
            "cancelled_date": contract.cancelled,
            "renewal_due": renewal_due(contract, details.of_client[contract.client_id], details.world),
            "amount": number(contract.money),
        }
        for contract in details.world.contracts
    ]


def proposal_rows(details: Details) -> list[MartRow]:
    """`proposal_overview`."""
    world = details.world
    replaced = superseded(world)
    return [
        _common(
            details,
            "proposals",
            each.proposal_id,
            each.client_id,
            each.owner or world.manager(each.client_id, each.sent),
        )
        | {
            "proposal_id": each.proposal_id,
            "kind": details.rows["proposals"][each.proposal_id].values["kind"],
            "state": each.outcome,
            "sent_date": each.sent,
            "decided_date": each.decided,
            "amount": number(details.proposal_money(each.proposal_id)),
        }
        for each in world.proposals
        if each.proposal_id not in replaced
    ]


def survey_rows(details: Details) -> list[MartRow]:
    """`survey_overview`."""
    found = []
    for survey in details.world.surveys:
        share, answered = survey.share, survey.responded is not None
        state = "no_score" if answered else "not_answered"
        if share is not None:
            state = "satisfied" if share >= details.world.settings.csat_threshold else "not_satisfied"
        found.append(
            _common(details, "client_surveys", survey.response_id, survey.client_id, survey.credit)
            | {
                "response_id": survey.response_id,
                "project_id": details.rows["client_surveys"][survey.response_id].values["project_id"],
                "project_name": details.named("client_surveys", survey.response_id)["record_name"],
                "state": state,
                "sent_date": survey.sent,
                "responded_date": survey.responded,
                "score": number(survey.score) if answered else None,
                "scale_min": number(survey.low),
                "scale_max": number(survey.high),
                "satisfaction": None if share is None else number(100 * share),
            }
        )
    return found


def client_rows(details: Details) -> list[MartRow]:
    """`client_overview`."""
    world, counted = details.world, details.counted
    projects, proposals, contracts = project_rows(details), proposal_rows(details), contract_rows(details)
    surveys = [each for each in world.surveys if each.share is not None]
    begin = _a_year_before(world.as_of)
    recent = [record for record in counted.dated if record.event > begin]
    named = {str(each["client_id"]) for each in (*contracts, *projects, *proposals)}
    named |= {each.client_id for each in world.surveys}
    active = Clients(world).active(world.as_of)
    found: list[MartRow] = []
    for client in sorted({*details.rows["clients"], *named}):
        row = details.rows["clients"].get(client)
        own = details.of_client[client]
        running = [each for each in own if contract_state(each, world.as_of) == "running"]
        renewals = [day for each in own if (day := renewal_due(each, own, world)) is not None]
        answers = [each for each in surveys if each.client_id == client]
        last = max((each.responded for each in answers if each.responded), default=None)
        shares = [each.share for each in answers if each.responded == last and each.share is not None]
        offered = [each for each in proposals if each["client_id"] == client and each["state"] == "open"]
        todo = [each for each in projects if each["client_id"] == client and each["state"] in ("open", "overdue")]
        due = [r for r in recent if r.client == client and r.kpi == "on_time_delivery_rate"]
        money = [details.proposal_money(str(each["proposal_id"])) for each in offered]
        found.append(
            {
                "client_id": client,
                "client_name": world.client_names.get(client),
                "manager_id": world.manager(client, world.as_of),
                "industry": row and row.values["industry"],
                "is_active": client in active,
                "contract_end": max((last_day(each) for each in own if last_day(each) >= each.start), default=None),
                "renewal_due": min(renewals, default=None),
                "running_contracts": len(running),
                "running_amount": number(sum((each.money for each in running), ZERO)),
                "revenue_12m": number(
                    sum((r.numerator for r in recent if r.client == client and r.kpi == "client_revenue"), ZERO)
                ),
                "last_survey_date": last,
                "last_survey_satisfaction": number(100 * sum(shares, ZERO) / len(shares)) if shares else None,
                "open_proposals": len(offered),
                "open_proposals_amount": number(sum((each for each in money if each is not None), ZERO)),
                "open_projects": len(todo),
                "projects_overdue": sum(each["state"] == "overdue" for each in todo),
                "open_projects_over_budget": sum(each["over_budget"] is not None for each in todo),
                "projects_due_12m": len(due),
                "projects_late_12m": sum(record.numerator == 0 for record in due),
            }
        )
    return found


def _a_year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=day.year - 1)


def _common(details: Details, extract: str, source: str, client: str, person: str | None) -> MartRow:
    place = details.named(extract, source)
    return {
        "client_id": client,
        "client_name": details.world.client_names.get(client),
        "staff_id": person,
        "file_name": place["file_name"],
        "line_number": place["line_number"],
    }
