"""The pages of clients: all whom a reader may see, and one with its contracts, projects, surveys and proposals.

A client's records are shown as far as the reader may read them. Sums over a client are shown only to who may read every
record of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Any, Protocol

import duckdb

from amkpi.core.language import formatting
from amkpi.core.language.names import name_key, plain
from amkpi.pages.model import Fact, Figure, Link, Name, NavLink, Page, Table, Text
from amkpi.pages.rights import readable_client_sums, readable_records
from amkpi.pages.sections.context import PageContext, day, fill, slots
from amkpi.pages.sections.layout import layout
from amkpi.pages.sections.words import industry_of, kind_of, place_of, state_of, title_of
from amkpi.scorecards.page_paths import PagePath, key_of

_OVERVIEW = (
    "client_id, contract_end, renewal_due, running_contracts, running_amount, revenue_12m, last_survey_date,"
    " last_survey_satisfaction, open_proposals, open_proposals_amount, open_projects, projects_overdue"
)


class Source(Protocol):
    """The publication that the client's records are read from."""

    def connection(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]: ...


def clients_page(context: PageContext, source: Source) -> Page:
    """Every client whom the reader may see; those whose contracts have to be renewed first are easy to sort up."""
    t, index = context.t, context.index
    sums = t("Sums are shown for clients of whom you may read every record. Satisfaction is out of one hundred.")
    with source.connection() as connection:
        found = connection.execute(f"select {_OVERVIEW} from client_overview").fetchall()
    overview = readable_client_sums({row[0]: row[1:] for row in found}, index)
    clients = sorted(index.clients.values(), key=lambda each: (name_key(plain(each.name)), each.client_id))
    rows, keys = [], []
    for client in clients:
        href = context.href(PagePath(context.language, "client", key=key_of(client.client_id)))
        _, due, running, _, revenue, _, satisfaction, proposals, _, _, overdue = (
            overview.get(client.client_id) or (None,) * 11
        )
        rows.append(
            (
                (Link((Name(plain(client.name)),), href), " ", Name(f"({plain(client.client_id)})")),
                context.person_part(client.manager_id),
                _day(due),
                _count(context, running, "client_overview.running_contracts"),
                _money(context, revenue, "client_overview.revenue_12m"),
                _score(context, satisfaction, "client_overview.last_survey_satisfaction"),
                _count(context, proposals, "client_overview.open_proposals"),
                _count(context, overdue, "client_overview.projects_overdue"),
            )
        )
        keys.append((client.client_id, None))
    return Page(
        template="list.html.j2",
        layout=layout(context, t("Clients"), (t("Clients"),)),
        tables=(
            Table(
                title=t("Clients"),
                name="clients",
                heads=(
                    t("Client"), t("Manager"), t("Renewal due"), t("Contracts running"),
                    t("New revenue in twelve months"), t("Last satisfaction"), t("Open proposals"),
                    t("Projects overdue"),
                ),
                kinds=("text", "text", "date", "number", "number", "number", "number", "number"),
                rows=tuple(rows),
                keys=tuple(keys),
                note=(sums,),
            ),
        ),
    )  # fmt: skip


def client_page(context: PageContext, client_id: str, source: Source) -> Page:
    """One client: who manages it, renewals due, and every record of it that the reader may see."""
    t, client = context.t, context.index.clients[client_id]
    with source.connection() as connection:
        overview = connection.execute(
            f"select {_OVERVIEW} from client_overview where client_id = ?", [client_id]
        ).fetchall()
        contracts = _rows(
            connection,
            "staff_id, contract_id, kind, state, signed_date, start_date, end_date, renewal_due, amount, file_name,"
            " line_number from contract_overview",
            client_id,
            "end_date desc, contract_id",
        )
        projects = _rows(
            connection,
            "staff_id, project_id, project_name, state, due_date, done_date, days_late, budget, cost, file_name,"
            " line_number from project_overview",
            client_id,
            "due_date desc, project_id",
        )
        proposals = _rows(
            connection,
            "staff_id, proposal_id, kind, state, sent_date, decided_date, amount, file_name, line_number"
            " from proposal_overview",
            client_id,
            "sent_date desc, proposal_id",
        )
        surveys = _rows(
            connection,
            "staff_id, response_id, project_name, state, sent_date, responded_date, satisfaction, file_name,"
            " line_number from survey_overview",
            client_id,
            "sent_date desc, response_id",
        )
    reader = context.reader
    name = plain(client.name)
    heading: Text = (Name(name),)
    return Page(
        template="client.html.j2",
        layout=layout(
            context,
            name,
            heading,
            (t("Client"), " ", Name(plain(client_id))),
            trail=[NavLink(t("Clients"), context.href(PagePath(context.language, "clients")))],
        ),
        facts=_facts(context, client_id, {row[0]: row[1:] for row in overview}),
        tables=(
            _contracts(context, readable_records(contracts, reader)),
            _projects(context, readable_records(projects, reader)),
            _proposals(context, readable_records(proposals, reader)),
            _surveys(context, readable_records(surveys, reader)),
        ),
    )


def _rows(connection: duckdb.DuckDBPyConnection, columns: str, client_id: str, order: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"select {columns} where client_id = ? order by {order}", [client_id]).fetchall()


def _facts(context: PageContext, client_id: str, found: dict[str, tuple[Any, ...]]) -> tuple[Fact, ...]:
    t, client = context.t, context.index.clients[client_id]
    facts = []
    manager = context.person_part(client.manager_id)
    if manager:
        facts.append(Fact(t("Manager"), manager))
    if client.industry:
        facts.append(Fact(t("Industry"), industry_of(context, client.industry)))
    row = readable_client_sums(found, context.index).get(client_id)
    if row is None:
        return tuple(facts)
    end, due, running, amount, revenue, answered, satisfaction, proposals, offered, projects, overdue = row
    of = "client_overview."
    facts.append(
        Fact(
            t("Contracts running"),
            fill(
                t("{n} with {amount}", **slots("n", "amount")),
                n=_count(context, running, of + "running_contracts"),
                amount=_money(context, amount, of + "running_amount"),
            ),
        )
    )
    if due is not None:
        facts.append(Fact(t("Renewal due"), _day(due)))
    elif end is not None and end >= context.index.publication.as_of:
        facts.append(Fact(t("Under contract until"), _day(end)))
    facts.append(Fact(t("New revenue in twelve months"), _money(context, revenue, of + "revenue_12m")))
    if satisfaction is not None:
        score = _score(context, satisfaction, of + "last_survey_satisfaction")
        facts.append(
            Fact(
                t("Last satisfaction"),
                fill(t("{score} of 100 on {day}", **slots("score", "day")), score=score, day=_day(answered)),
            )
        )
    facts.append(
        Fact(
            t("Open proposals"),
            fill(
                t("{n} with {amount}", **slots("n", "amount")),
                n=_count(context, proposals, of + "open_proposals"),
                amount=_money(context, offered, of + "open_proposals_amount"),
            ),
        )
    )
    facts.append(
        Fact(
            t("Projects in progress"),
            fill(
                t("{n}, {overdue} of them overdue", **slots("n", "overdue")),
                n=_count(context, projects, of + "open_projects"),
                overdue=_count(context, overdue, of + "projects_overdue"),
            ),
        )
    )
    return tuple(facts)


def _contracts(context: PageContext, rows: Sequence[tuple[Any, ...]]) -> Table:
    t = context.t
    return Table(
        title=t("Contracts and renewals due"),
        name="contracts",
        heads=(t("Contract"), t("Kind"), t("State"), t("Signed"), t("Begins"), t("Ends"), t("Renewal due"),
               t("Amount"), t("Person"), t("Source")),
        kinds=("text", "text", "text", "date", "date", "date", "date", "number", "text", "text"),
        rows=tuple(
            (
                (Name(plain(key)),), kind_of(context, kind), state_of(context, "contract", state), _day(signed),
                _day(start), _day(end), _day(due), _money(context, amount, "contract_overview.amount"),
                context.person_part(staff_id), place_of(file_name, line),
            )
            for staff_id, key, kind, state, signed, start, end, due, amount, file_name, line in rows
        ),
        keys=tuple((row[1], None) for row in rows),
        empty=t("No contract that you may read."),
    )  # fmt: skip


def _projects(context: PageContext, rows: Sequence[tuple[Any, ...]]) -> Table:
    t = context.t
    return Table(
        title=t("Projects"),
        name="projects",
        heads=(t("Project"), t("State"), t("Due"), t("Done"), t("Days late"), t("Budget"), t("Cost"), t("Person"),
               t("Source")),
        kinds=("text", "text", "date", "date", "number", "number", "number", "text", "text"),
        rows=tuple(
            (
                title_of(name, key), state_of(context, "project", state), _day(due), _day(done),
                _count(context, late, "project_overview.days_late"),
                *_budget_and_cost(context, budget, cost), context.person_part(staff_id), place_of(file_name, line),
            )
            for staff_id, key, name, state, due, done, late, budget, cost, file_name, line in rows
        ),
        keys=tuple((row[1], None) for row in rows),
        empty=t("No project that you may read."),
    )  # fmt: skip


def _proposals(context: PageContext, rows: Sequence[tuple[Any, ...]]) -> Table:
    t = context.t
    return Table(
        title=t("Proposals"),
        name="proposals",
        heads=(t("Proposal"), t("Kind"), t("State"), t("Sent"), t("Decided"), t("Amount"), t("Person"), t("Source")),
        kinds=("text", "text", "text", "date", "date", "number", "text", "text"),
        rows=tuple(
            (
                (Name(plain(key)),), kind_of(context, kind), state_of(context, "proposal", state), _day(sent),
                _day(decided), _money(context, amount, "proposal_overview.amount"), context.person_part(staff_id),
                place_of(file_name, line),
            )
            for staff_id, key, kind, state, sent, decided, amount, file_name, line in rows
        ),
        keys=tuple((row[1], None) for row in rows),
        empty=t("No proposal that you may read."),
    )  # fmt: skip


def _surveys(context: PageContext, rows: Sequence[tuple[Any, ...]]) -> Table:
    t = context.t
    return Table(
        title=t("Surveys"),
        name="surveys",
        heads=(t("Survey"), t("Project"), t("State"), t("Sent"), t("Answered"), t("Satisfaction"), t("Person"),
               t("Source")),
        kinds=("text", "text", "text", "date", "date", "number", "text", "text"),
        rows=tuple(
            (
                (Name(plain(key)),), (Name(plain(project)),) if project else (), state_of(context, "survey", state),
                _day(sent), _day(answered), _score(context, satisfaction, "survey_overview.satisfaction"),
                context.person_part(staff_id), place_of(file_name, line),
            )
            for staff_id, key, project, state, sent, answered, satisfaction, file_name, line in rows
        ),
        keys=tuple((row[1], None) for row in rows),
        empty=t("No survey that you may read."),
    )  # fmt: skip


def _day(value: date | None) -> Text:
    return () if value is None else (day(value),)


def _count(context: PageContext, count: int | None, of: str) -> Text:
    return () if count is None else (Figure(context.figures.number(count), count, of),)


def _money(context: PageContext, amount: float | None, of: str) -> Text:
    return () if amount is None else (Figure(context.figures.value(amount, "money"), amount, of),)


def _budget_and_cost(context: PageContext, budget: float | None, cost: float | None) -> tuple[Text, Text]:
    """Both in one unit."""
    of_budget, of_cost = context.figures.pair(budget, cost, "money")
    return (
        () if budget is None else (Figure(of_budget, budget, "project_overview.budget"),),
        () if cost is None else (Figure(of_cost, cost, "project_overview.cost"),),
    )


def _score(context: PageContext, score: float | None, of: str) -> Text:
    return () if score is None else (Figure(formatting.number(score, 1, context.language), score, of),)
