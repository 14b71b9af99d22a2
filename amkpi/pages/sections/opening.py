"""The first sentences of a page: those of the mail, with their figures and names marked."""

from __future__ import annotations

from amkpi.core.catalogue import kpis
from amkpi.core.language.names import given_name
from amkpi.pages.model import Figure, Name, Part, Text
from amkpi.pages.sections.context import PageContext, join, marked
from amkpi.pages.sections.scorecard import share_of_weight
from amkpi.scorecards.compose.kpi_table import NO_LINE, attained
from amkpi.scorecards.compose.lead import lead
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.todos.parts import standing


def opening(context: PageContext, member: ScopeMember) -> Text:
    """How the period goes for a member, and what weighs most."""
    found, score = standing(context, member), context.score(member)
    lines = [context.line(member, kpi) or NO_LINE for kpi in kpis()]
    scored = [line for line in lines if line.attainment is not None]
    met = sum(line.status == "on_target" for line in scored)
    parts: list[Part] = [
        _count(context, met, "page.kpis_met"),
        _count(context, len(scored), "page.kpis_scored"),
        _count(context, len(found.missed), "page.kpis_missed"),
        _count(context, score.days, "period.days"),
        _count(context, score.rules.min_days, "rules.min_days"),
    ]
    parts += [
        Figure(attained(context, line), line.attainment, "page.attainment_of_money")
        for line, kpi in zip(lines, kpis(), strict=True)
        if kpi.unit == "money" and line.attainment is not None
    ]
    if score.row is not None and score.row.weight_covered is not None:
        covered, needed = score.row.weight_covered, score.rules.min_weight_covered
        parts += [
            Figure(share_of_weight(context, covered, needed), covered, "scorecards.weight_covered"),
            Figure(context.figures.percent(needed), needed, "rules.min_weight_covered"),
        ]
    if member.staff_id is not None:
        name = context.full_name(member.staff_id)
        parts += [Name(name), Name(given_name(name))]
    texts = lead(context, member, found, None)
    return join(" ", *(marked(text, parts) for text in texts))


def _count(context: PageContext, count: int, of: str) -> Figure:
    return Figure(context.figures.number(count), count, of)
