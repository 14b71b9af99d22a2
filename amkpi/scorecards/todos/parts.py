"""The to-do parts of a mail, one for each scope that the reader leads: what costs the most points comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.terms import STATUS
from amkpi.scorecards.compose.kpi_table import NO_LINE, attained
from amkpi.scorecards.context import MISSED, ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.model import SIGNS, MissedKpi, Piece, TodoPart
from amkpi.scorecards.score_parts import score_parts
from amkpi.scorecards.todos.records import MOST_RECORDS, Records

MOST_KPIS = 3
# States of records that no later day of the period changes for the better, or that ask for action at once.
FACTS = frozenset({"overdue", "delivered_late", "cancelled", "lost_client", "over_budget", "not_satisfied"})


@dataclass(frozen=True)
class Standing:
    """The KPIs of one member by what is to be done about them.

    missed: below target, those that cost the most points first. undecided: still open, or in a period too young to
    judge; they may yet reach the target.
    """

    missed: tuple[Kpi, ...]
    undecided: tuple[Kpi, ...]


def standing(context: ReaderContext, member: ScopeMember) -> Standing:
    """The KPIs below target, those that cost the most points first: weight × (1 − attainment)."""
    missed, undecided = [], []
    for kpi in kpis():
        line = context.line(member, kpi)
        if line and line.status in MISSED:
            missed.append((-line.shortfall, kpi.number, kpi))
        elif line and line.status in ("still_open", "too_early"):
            undecided.append((-line.shortfall, kpi.number, kpi))
    return Standing(
        *(tuple(kpi for *_, kpi in sorted(found, key=lambda each: each[:2])) for found in (missed, undecided))
    )


def todo_parts(context: ReaderContext, members: Sequence[ScopeMember]) -> tuple[TodoPart, ...]:
    """The parts of a mail in the order of its scorecards: the first in any case, the others if they add something.

    The team of who leads everybody has the to-dos of the company, and they are not repeated.
    """
    first, *others = [_part(context, member) for member in members]
    found = {_without_links(first): first}
    for part in others:
        if part.items:
            found.setdefault(_without_links(part), part)
    return tuple(found.values())


def _without_links(part: TodoPart) -> tuple[MissedKpi, ...]:
    """The items of a part. Links differ by scorecard."""
    return tuple(
        replace(item, href="", todos=tuple(replace(todo, pieces=(Piece(todo.about),)) for todo in item.todos))
        for item in part.items
    )


def _part(context: ReaderContext, member: ScopeMember) -> TodoPart:
    found = standing(context, member)
    # In the first days nothing is judged, but what has gone wrong already is shown.
    chosen = found.undecided if context.facts.is_too_early(member) else found.missed
    items = [missed_kpi(context, member, kpi) for kpi in chosen]
    if context.facts.is_too_early(member):
        items = [item for item in items if any(todo.state in FACTS for todo in item.todos)]
    return TodoPart(
        scope=member.scope,
        staff_id=member.staff_id,
        name=context.title_for_reader(member),
        title=title(context, member, found, bool(items)),
        items=tuple(items[:MOST_KPIS]),
    )


def title(context: ReaderContext, member: ScopeMember, found: Standing, waits: bool, most: int = MOST_KPIS) -> str:
    """How many KPIs need attention, or why none does.

    waits: something is to be done although nothing is judged yet. most: how many KPIs are shown.
    """
    t, n = context.t, context.n
    if context.facts.is_too_early(member):
        return t("Too early to judge; this already waits") if waits else t("Too early to judge")
    if found.missed and len(found.missed) <= most:
        return n("{n} KPI needs attention", "{n} KPIs need attention", len(found.missed))
    if found.missed:
        return n(
            "{n} KPI needs attention; these {most} cost the most points",
            "{n} KPIs need attention; these {most} cost the most points",
            len(found.missed),
            most=context.figures.number(most),
        )
    if all((context.line(member, kpi) or NO_LINE).attainment is None for kpi in kpis()):
        return t("No KPI has a target to be compared with")
    if found.undecided:
        return n(
            "Nothing needs attention yet: {n} KPI below its target is still open",
            "Nothing needs attention yet: {n} KPIs below their targets are still open",
            len(found.undecided),
        )
    return t("Nothing needs attention: no KPI is below its target")


def missed_kpi(context: ReaderContext, member: ScopeMember, kpi: Kpi, most: int | None = MOST_RECORDS) -> MissedKpi:
    """A KPI that is below its target, or may stay so, with its first records; with all of them where most is None."""
    line, value = context.line(member, kpi), context.value(member, kpi)
    assert line is not None
    assert value is not None
    actual, target = context.figures.pair(value.value, line.target, kpi.unit)
    todos, more = Records(context).of(member, kpi, most)
    return MissedKpi(
        kpi=kpi.name,
        label=context.choose(kpi.label),
        href=context.links.kpi(kpi, member, context.period),
        finding=context.t(
            "{actual} against a target of {target} ({attained} attained)",
            actual=actual,
            target=target,
            attained=attained(context, line),
        ),
        loss=_loss(context, member, kpi),
        status=line.status,
        status_word=context.t(STATUS[line.status]),
        sign=SIGNS[line.status],
        todos=todos,
        more=more,
    )


def _loss(context: ReaderContext, member: ScopeMember, kpi: Kpi) -> str:
    """How many points of the weighted score are lost here; empty where there is no score."""
    part = score_parts(context, member).get(kpi.name)
    if part is None:
        return ""
    if not part.lost:
        return context.t("costs no points")
    if formatting.is_zero(context.figures.number(part.lost, 1)):
        return context.t("costs less than {points} points", points=shown_loss(context, part.lost))
    return context.t("costs {points} points", points=shown_loss(context, part.lost))


def shown_loss(context: ReaderContext, points: float) -> str:
    """The figure of a loss with one place; of a smaller one the least that the place can show."""
    return context.figures.number(max(points, 0.1), 1)
