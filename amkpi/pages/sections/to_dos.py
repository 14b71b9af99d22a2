"""All to-dos of a scorecard: each KPI below target, with every record that keeps it there, and a link to each."""

from __future__ import annotations

from collections.abc import Sequence

from amkpi.core.catalogue import Kpi
from amkpi.core.language import formatting
from amkpi.core.language.names import plain
from amkpi.pages.model import Figure, Link, Name, Part, Status, Subject, Text, ToDo, ToDoList, plain_text
from amkpi.pages.sections.context import PageContext, day, fill, join, marked, slots
from amkpi.scorecards.compose.kpi_table import attained
from amkpi.scorecards.evidence_records import EvidenceRecord
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.model import MissedKpi, Todo
from amkpi.scorecards.page_paths import anchor_of
from amkpi.scorecards.score_parts import score_parts
from amkpi.scorecards.todos.parts import FACTS, Standing, missed_kpi, shown_loss, standing, title
from amkpi.scorecards.todos.records import Records

# The others unfold.
SHOWN_AT_ONCE = 5


def to_do_lists(context: PageContext, members: Sequence[ScopeMember]) -> tuple[ToDoList, ...]:
    """The to-dos of each scorecard; a list with no KPI and record that an earlier one lacks is left out."""
    found: list[ToDoList] = []
    seen: set[tuple[str, str]] = set()
    for member in members:
        to_dos = _list(context, member)
        content = {
            (to_do.label, plain_text(record)) for to_do in to_dos.to_dos for record in to_do.records or (to_do.finding,)
        }
        if not found or not content <= seen:
            found.append(to_dos)
        seen |= content
    return tuple(found)


def _list(context: PageContext, member: ScopeMember) -> ToDoList:
    found, early = standing(context, member), context.facts.is_too_early(member)
    chosen = found.undecided if early else found.missed
    to_dos = [_to_do(context, member, kpi, found) for kpi in chosen]
    if early:
        # In the first days nothing is judged, but what has gone wrong already is shown.
        to_dos = [each for each, kpi in zip(to_dos, chosen, strict=True) if _has_facts(context, member, kpi)]
    count = len(chosen)
    heading = title(context, member, found, bool(to_dos), most=count)
    return ToDoList(
        subject=context.subject(member),
        title=marked(heading, [Figure(context.figures.number(len(each)), len(each), "page.kpis_missed")
                               for each in (found.missed or found.undecided,)]),
        to_dos=tuple(to_dos),
    )  # fmt: skip


def _has_facts(context: PageContext, member: ScopeMember, kpi: Kpi) -> bool:
    return any(todo.state in FACTS for todo in Records(context).all_of(member, kpi))


def _to_do(context: PageContext, member: ScopeMember, kpi: Kpi, found: Standing) -> ToDo:
    missed = missed_kpi(context, member, kpi, most=None)
    records = {(record.source_id, record.client_id): record for record in context.facts.records_of(member, kpi.name)}
    todos = missed.todos
    rest = len(todos) - SHOWN_AT_ONCE
    return ToDo(
        subject=Subject(kpi=kpi.name),
        label=missed.label,
        href=context.kpi_href(kpi, member),
        status=Status(missed.status, missed.status_word, missed.sign),
        finding=_finding(context, member, kpi, missed),
        records=tuple(
            _record(context, member, kpi, todo, records.get((todo.source_id, todo.client_id))) for todo in todos
        ),
        more=fill(
            context.n("and {n} more", "and {n} more", rest, **slots("n")),
            n=Figure(context.figures.number(rest), rest, "page.more"),
        ),
    )


def _finding(context: PageContext, member: ScopeMember, kpi: Kpi, missed: MissedKpi) -> Text:
    line, value = context.line(member, kpi), context.value(member, kpi)
    assert line is not None
    assert value is not None
    actual, target = context.figures.pair(value.value, line.target, kpi.unit)
    text = marked(
        missed.finding,
        [
            Figure(actual, value.value, "kpi_values.value"),
            Figure(target, line.target, "scorecard_lines.target"),
            Figure(attained(context, line), line.attainment, "scorecard_lines.attainment"),
        ],
    )
    part = score_parts(context, member).get(kpi.name)
    if part is None:
        return text
    loss = marked(missed.loss, [Figure(shown_loss(context, part.lost), part.lost, "scorecards.loss")])
    return join(" · ", text, loss)


def _record(context: PageContext, member: ScopeMember, kpi: Kpi, todo: Todo, record: EvidenceRecord | None) -> Text:
    """A to-do with its figures, dates and names; the record links to its row, the client and person to their pages."""
    text = " · ".join(part for part in (todo.what, todo.about) if part)
    if record is None or todo.source_id is None:
        return marked(text, _of_person(context, member, kpi, todo))
    return marked(text, [*_names(context, member, kpi, record), *_figures(context, kpi, record)])


def _of_person(context: PageContext, of: ScopeMember, kpi: Kpi, todo: Todo) -> list[Part]:
    """Of a to-do about a person below target: the person's own target for money, else that of the scorecard."""
    if todo.staff_id is None:
        return []
    member = ScopeMember("own", todo.staff_id)
    value, line = context.value(member, kpi), context.line(member if kpi.unit == "money" else of, kpi)
    parts = list(context.person_part(todo.staff_id))
    if value is not None and line is not None and value.value is not None and line.target is not None:
        gap = line.target - value.value
        actual, target = context.figures.pair(value.value, line.target, kpi.unit)
        parts += [
            Figure(context.figures.value(gap, kpi.unit), gap, "person.gap"),
            Figure(actual, value.value, "person.value"),
            Figure(target, line.target, "person.target"),
        ]
    return parts


def _names(context: PageContext, member: ScopeMember, kpi: Kpi, record: EvidenceRecord) -> list[Part]:
    identity, href = plain(record.source_id or ""), context.kpi_href(kpi, member)
    parts: list[Part] = []
    if href and record.extract != "clients":
        name = plain(record.name or "")
        shown = f"{name} ({identity})" if name and name != identity else identity
        parts.append(Link((Name(shown),), f"{href}#{anchor_of(record)}"))
    client = context.index.clients.get(record.client_id or "")
    if client is not None:
        link = context.client_part(record.client_id)[0]
        parts += [link, Name(f"({plain(client.client_id)})")]
    return [*parts, *context.person_part(record.staff_id)]


def _figures(context: PageContext, kpi: Kpi, record: EvidenceRecord) -> list[Part]:
    figures = context.figures

    def money(amount: float | None, of: str) -> list[Part]:
        return [] if amount is None else [Figure(figures.value(amount, "money"), amount, of)]

    parts: list[Part] = [day(each) for each in (record.done_date, record.event_date) if each]
    if record.days_late is not None:
        text = formatting.number(record.days_late, 0, context.language)
        parts.append(Figure(text, record.days_late, "kpi_evidence.days_late"))
    if kpi.aggregation == "ratio_of_amounts":
        cost, budget = figures.pair(record.numerator, record.denominator, "money")
        parts += money(record.excess, "record.excess")
        parts += [
            Figure(cost, record.numerator, "kpi_evidence.numerator"),
            Figure(budget, record.denominator, "kpi_evidence.denominator"),
        ]
    elif kpi.unit == "money" and record.numerator is not None:
        parts += money(abs(record.numerator), "record.size")
    if record.extract == "clients":
        parts += money(context.facts.signed_by(record.client_id, context.recipient.reader), "client.revenue")
    return [*parts, *money(record.amount, "kpi_evidence.amount")]
