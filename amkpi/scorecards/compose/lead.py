"""The first sentences of a mail, and the figures below them: what a director reads in ten seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from amkpi.core.catalogue import Kpi, kpis
from amkpi.scorecards.compose.kpi_table import NO_LINE, attained
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.model import Tile
from amkpi.scorecards.todos.parts import Standing, standing

MOST_NAMED = 3


def lead(context: ReaderContext, main: ScopeMember, found: Standing, most_in_need: str | None) -> tuple[str, ...]:
    """How the period goes, what weighs most, and who needs help most.

    most_in_need: the staff id of one of the reader's people; None where nobody needs help.
    """
    score = context.score(main)
    sentences = [] if score.is_rated else [context.t("No score: {reason}.", reason=score.reason(context.language))]
    if score.is_too_early:
        return tuple(sentences)
    sentences.append(_standing_sentence(context, main))
    if found.missed:
        text = context.n(
            "{n} KPI is below target: {names}.",
            "{n} KPIs are below target, above all {names}.",
            len(found.missed),
            names=_names(context, found.missed),
        )
        sentences.append(text)
    if most_in_need is not None:
        person = standing(context, ScopeMember("own", most_in_need)).missed
        text = context.n(
            "{person} needs help most: {n} KPI below target, {names}.",
            "{person} needs help most: {n} KPIs below target, above all {names}.",
            len(person),
            person=context.full_name(most_in_need),
            names=_names(context, person),
        )
        sentences.append(text)
    return tuple(sentence for sentence in sentences if sentence)


def tiles(context: ReaderContext, main: ScopeMember, people: Sequence[str]) -> tuple[Tile, ...]:
    """Money against its target, how many KPIs are on target, and the ratings of the reader's people."""
    t, figures = context.t, context.figures
    found = []
    for kpi in (each for each in kpis() if each.unit == "money"):
        line, value = context.line(main, kpi), context.value(main, kpi)
        if line is None or value is None or value.value is None:
            continue
        actual, target = figures.pair(value.value, line.target, kpi.unit)
        share = t("{attained} of the target of {target}", attained=attained(context, line), target=target)
        found.append(Tile(context.choose(kpi.label), actual, share if line.target is not None else t("No target")))
    met, scored = _met(context, main)
    if scored and not context.facts.is_too_early(main):
        of_main = standing(context, main)
        missed = t("{n} below target", n=figures.number(len(of_main.missed))) if of_main.missed else ""
        undecided = t("{n} still open", n=figures.number(len(of_main.undecided))) if of_main.undecided else ""
        note = ", ".join(part for part in (missed, undecided) if part)
        found.append(Tile(t("KPIs on target"), f"{figures.number(met)}/{figures.number(scored)}", note))
    ratings = Counter(context.score(ScopeMember("own", each)).rating for each in people)
    rated = [f"{band}\u00a0{figures.number(ratings[band])}" for band in _bands(context) if ratings[band]]
    if rated:
        without = context.n("{n} not rated", "{n} not rated", ratings[""]) if ratings[""] else ""
        found.append(Tile(t("Ratings of the people"), " · ".join(rated), without))
    return tuple(found)


def _bands(context: ReaderContext) -> list[str]:
    """The ratings, the best first."""
    bands = context.facts.rules.bands
    return sorted(bands, key=lambda rating: -bands[rating])


def _met(context: ReaderContext, main: ScopeMember) -> tuple[int, int]:
    """How many KPIs are on target, and how many have a target and a value."""
    lines = [context.line(main, kpi) or NO_LINE for kpi in kpis()]
    scored = [line for line in lines if line.attainment is not None]
    return sum(line.status == "on_target" for line in scored), len(scored)


def _standing_sentence(context: ReaderContext, main: ScopeMember) -> str:
    met, scored = _met(context, main)
    if not scored:
        return ""
    count = context.figures.number(met)
    for kpi in (each for each in kpis() if each.unit == "money"):
        line = context.line(main, kpi) or NO_LINE
        if line.attainment is not None:
            return context.n(
                "{whose} reached {share} of the target for {kpi}; {met} of {n} KPI is on target.",
                "{whose} reached {share} of the target for {kpi}; {met} of {n} KPIs are on target.",
                scored,
                kpi=_within(context.choose(kpi.label)),
                whose=_whose(context, main),
                share=attained(context, line),
                met=count,
            )
    return context.n(
        "{whose}: {met} of {n} KPI is on target.",
        "{whose}: {met} of {n} KPIs are on target.",
        scored,
        whose=_whose(context, main),
        met=count,
    )


def _whose(context: ReaderContext, main: ScopeMember) -> str:
    """The subject of a sentence."""
    if main.scope == "company":
        return context.t("The company")
    if main.scope == "own" and main.staff_id == context.recipient.staff_id:
        return context.t("You")
    return context.title(main)


def _names(context: ReaderContext, found: Sequence[Kpi]) -> str:
    """The names of the first KPIs within a sentence."""
    return ", ".join(_within(context.choose(kpi.label)) for kpi in found[:MOST_NAMED])


def _within(label: str) -> str:
    """A label within a sentence: its first letter small, unless the word is an abbreviation."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]
