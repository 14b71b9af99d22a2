"""The scorecard of a person, a team or the company: the score, and a card for each KPI.

The texts are those of the mails; here each of their figures gets the number that it was made from.
"""

from __future__ import annotations

from dataclasses import replace

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.terms import STATUS
from amkpi.pages.model import Figure, KpiCard, Name, Part, ScoreCard, Status, Text
from amkpi.pages.sections.charts import score_chart, trend_chart
from amkpi.pages.sections.context import PageContext, fill, join, marked, slots, span
from amkpi.pages.sections.makeup import makeup_table
from amkpi.scorecards.compose import kpi_table
from amkpi.scorecards.facts import KpiValue, ScopeMember
from amkpi.scorecards.model import SIGNS, KpiLine
from amkpi.scorecards.scores import Score


def score_card(context: PageContext, member: ScopeMember) -> ScoreCard:
    """The scorecard of a member in the page's period."""
    card, score = kpi_table.card(context, member), context.facts.shown_score(member)
    row, rules = score.row, score.rules
    covered = row.weight_covered if row else None
    needed = [
        Figure(formatting.number(score.days, 0, context.language), score.days, "period.days"),
        Figure(formatting.number(rules.min_days, 0, context.language), rules.min_days, "rules.min_days"),
    ] if score.is_too_early else [
        Figure(share_of_weight(context, covered, rules.min_weight_covered), covered, "scorecards.weight_covered"),
        Figure(context.figures.percent(rules.min_weight_covered), rules.min_weight_covered, "rules.min_weight_covered"),
    ]  # fmt: skip
    before = context.facts.shown_score(member, context.period.before())
    points = None if score.number is None or before.number is None else abs(score.number - before.number)
    return ScoreCard(
        subject=context.subject(member),
        title=title(context, member),
        subtitle=_subtitle(context, member, card.subtitle),
        score=Figure(card.score, score.number, "scorecards.weighted_score"),
        rating=card.rating,
        rating_text=marked(card.rating_text, needed),
        change=marked(
            card.change,
            [
                Figure(context.figures.number(points, 1), points, "scorecards.change"),
                span(context.period.before(), context.language),
            ],
        ),
        note=marked(card.note, _of_note(context, card.note, row, covered)),
        chart=score_chart(context, member),
        kpis=tuple(_kpi_card(context, member, kpi, line) for kpi, line in zip(kpis(), card.lines, strict=True)),
        makeup=makeup_table(context, member),
    )


def kpi_card(context: PageContext, member: ScopeMember, kpi: Kpi) -> KpiCard:
    """The card of one KPI."""
    return _kpi_card(context, member, kpi, kpi_table.kpi_line(context, member, kpi))


def title(context: PageContext, member: ScopeMember) -> Text:
    """Whose scorecard it is, with the person's name marked as data."""
    text = context.title(member)
    if member.staff_id is None:
        return (text,)
    name = context.full_name(member.staff_id)
    if member.scope == "own":
        return (Name(name),)
    given = name.split()[-1] if name.split() else name
    return marked(text, [Name(given)])


def status(context: PageContext, code: str) -> Status:
    """A status with its word and sign."""
    return Status(code, context.t(STATUS[code]), SIGNS[code])


def share_of_weight(context: PageContext, share: float | None, edge: float) -> str:
    """A share of the weight; one below the edge that a rating needs never looks as if it reached it."""
    return "–" if share is None else f"{formatting.percent_below(share, [edge], context.language)}%"


def _subtitle(context: PageContext, member: ScopeMember, text: str) -> Text:
    if member.scope == "company" or member.staff_id is None:
        return (text,)
    person = context.facts.names.people[member.staff_id]
    if member.scope == "team":
        parts: list[Text] = [(Name(context.full_name(member.staff_id)),), (context.role(person.role),)]
    else:
        parts = [(context.role(person.role),)]
    above = context.person_part(person.manager_id)
    if above:
        parts.append(fill(context.t("reports to {manager}", **slots("manager")), manager=above))
    return join(" · ", *parts)


def _kpi_card(context: PageContext, member: ScopeMember, kpi: Kpi, line: KpiLine) -> KpiCard:
    row = context.line(member, kpi) or kpi_table.NO_LINE
    value = context.value(member, kpi) or KpiValue(None, None, None, 0, False, kpi.no_data_reason, 0)
    target = Figure(line.target, row.target, "scorecard_lines.target")
    attained = None if row.attainment is None else Figure(line.attained, row.attainment, "scorecard_lines.attainment")
    return KpiCard(
        subject=replace(context.subject(member, kpi), grain=None, start=None),
        label=line.label,
        question=context.choose(kpi.question),
        href=context.kpi_href(kpi, member),
        status=Status(line.status, line.status_word, line.sign),
        value=Figure(line.actual, value.value, "kpi_values.value"),
        target=_target(context, kpi, target) if row.target is not None else (),
        attained=attained,
        bar=None if row.attainment is None else round(100 * min(1.2, max(0.0, row.attainment)), 1),
        basis=_sample(context, kpi, value, line.basis),
        interval=interval(context, member, kpi),
        movement=line.movement,
        movement_text=_movement(context, kpi, line, row.change),
        trend=trend_chart(context, member, kpi),
    )  # fmt: skip


def _of_note(context: PageContext, note: str, row: Score | None, covered: float | None) -> list[Part]:
    """The figures of a note such as `6 of 8 KPIs scored · 90% of the weight`."""
    scored, whole = row.kpis_scored if row else 0, len(kpis())
    counts = [
        Figure(str(scored), scored, "scorecards.kpis_scored"),
        Figure(str(whole), whole, "catalogue.kpis"),
    ]
    share = share_of_weight(context, covered, context.facts.rules.min_weight_covered)
    return [*counts, Figure(share, covered, "scorecards.weight_covered")]


def _target(context: PageContext, kpi: Kpi, target: Figure) -> Text:
    if kpi.better == "lower":
        return fill(context.t("Target at most {target}", **slots("target")), target=target)
    return fill(context.t("Target at least {target}", **slots("target")), target=target)


def _movement(context: PageContext, kpi: Kpi, line: KpiLine, change: float | None) -> Text:
    if change is None:
        return (line.movement_text,) if line.movement_text else ()
    size = context.figures.size_of_change(abs(change), kpi.unit)
    return marked(line.movement_text, [Figure(size, abs(change), "scorecard_lines.change")])


def _sample(context: PageContext, kpi: Kpi, value: KpiValue, text: str) -> Text:
    """The sample of a value, n of N, with its figures marked. text: as the mails have it."""
    figures, sample = context.figures, value.sample_size
    of_sample = Figure(figures.number(sample), sample, "kpi_values.sample_size")
    of_undecided = Figure(figures.number(value.undecided), value.undecided, "kpi_values.undecided")
    if value.value is None:
        return marked(text, [])
    if kpi.denominator is None or value.numerator is None or value.denominator is None:
        return marked(text, [of_sample])
    if kpi.is_of_amounts:
        cost, budget = figures.pair(value.numerator, value.denominator, "money")
        return marked(
            text,
            [
                Figure(cost, value.numerator, "kpi_values.numerator"),
                Figure(budget, value.denominator, "kpi_values.denominator"),
                of_sample,
            ],
        )
    of_part = Figure(figures.number(value.numerator), value.numerator, "kpi_values.numerator")
    head, dot, rest = text.partition(" · ")
    return marked(head, [of_part, of_sample]) + ((dot, *marked(rest, [of_undecided, of_sample])) if dot else ())


def interval(context: PageContext, member: ScopeMember, kpi: Kpi) -> Text:
    """The bounds of the 95% Wilson interval of a share of counts; nothing for other KPIs."""
    found = context.intervals.get((member, kpi.name))
    if found is None or found.low is None or found.high is None:
        return ()
    low, high = found.low, found.high
    return fill(
        context.t("likely {low} to {high}", **slots("low", "high")),
        low=Figure(context.figures.value(low, "ratio"), low, "kpi_values.wilson_low"),
        high=Figure(context.figures.value(high, "ratio"), high, "kpi_values.wilson_high"),
    )
