"""How a weighted score is made up: attainment × weight of each KPI, so that a reader can compute it again."""

from __future__ import annotations

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.terms import STATUS
from amkpi.pages.model import Figure, Link, Subject, Table, Text
from amkpi.pages.sections.context import PageContext, fill, slots
from amkpi.scorecards.compose.kpi_table import STATUS_EDGES
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.score_parts import ScorePart, score_parts

# Of attainment in per cent and of points: the sum of eight rounded figures is then the score's with its one place.
_PLACES = 2


def makeup_table(context: PageContext, member: ScopeMember) -> Table | None:
    """Each KPI with its attainment, its weight and its points; None where no score is shown."""
    parts = score_parts(context, member)
    if not parts:
        return None
    t, first = context.t, next(iter(parts.values()))
    score = context.facts.shown_score(member)
    return Table(
        title=t("How the score is made up"),
        name="makeup",
        heads=(t("KPI"), t("Attained"), t("Weight"), t("Points")),
        kinds=("text", "number", "number", "number"),
        rows=tuple(_row(context, member, kpi, parts.get(kpi.name)) for kpi in kpis()),
        subjects=tuple(Subject(kpi=kpi.name) for kpi in kpis()),
        note=fill(
            t(
                "Points: weight × attained ÷ {weights}, the weights of the scored KPIs together. The points add up to"
                " the score: {score}.",
                **slots("weights", "score"),
            ),
            weights=_weight(context, first.weights, "scorecards.weights"),
            score=Figure(score.text(context.language), score.number, "scorecards.weighted_score"),
        ),
    )


def part_of_score(context: PageContext, member: ScopeMember, kpi: Kpi) -> Text:
    """What one KPI adds to the score, as a formula with its numbers; empty where it adds nothing to a score."""
    part = score_parts(context, member).get(kpi.name)
    if part is None:
        return ()
    return fill(
        context.t(
            "attained {attained} × weight {weight} of {weights} = {points} points of the score",
            **slots("attained", "weight", "weights", "points"),
        ),
        attained=_attained(context, part),
        weight=_weight(context, part.weight, "scorecard_lines.weight"),
        weights=_weight(context, part.weights, "scorecards.weights"),
        points=_points(context, part),
    )


def _row(context: PageContext, member: ScopeMember, kpi: Kpi, part: ScorePart | None) -> tuple[Text, ...]:
    label, href = context.choose(kpi.label), context.kpi_href(kpi, member)
    name: Text = (Link((label,), href),) if href else (label,)
    if part is not None:
        weight = _weight(context, part.weight, "scorecard_lines.weight")
        return (name, (_attained(context, part),), (weight,), (_points(context, part),))
    line = context.line(member, kpi)
    why: Text = (context.t(STATUS[line.status if line else "no_data"]),)
    if line is None or line.weight is None:
        return (name, why, (), ())
    return (name, why, (_weight(context, line.weight, "scorecard_lines.weight"),), ())


def _attained(context: PageContext, part: ScorePart) -> Figure:
    text = formatting.percent_below(part.attainment, STATUS_EDGES, context.language, _PLACES)
    return Figure(f"{text}%", part.attainment, "scorecard_lines.attainment")


def _weight(context: PageContext, weight: float, of: str) -> Figure:
    return Figure(context.figures.number(weight, 0 if weight == round(weight) else _PLACES), weight, of)


def _points(context: PageContext, part: ScorePart) -> Figure:
    return Figure(context.figures.number(part.points, _PLACES), part.points, "scorecards.points")
