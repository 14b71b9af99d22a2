"""The table of the KPIs: the scorecard of a person, a team or the company."""

from __future__ import annotations

from typing import Protocol

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.formatting import Formatter
from amkpi.core.language.terms import STATUS
from amkpi.core.language.translation import Language, Translation
from amkpi.core.language.translator import Message
from amkpi.scorecards.context import PERIODS_SHOWN, ReaderContext
from amkpi.scorecards.facts import KpiValue, ScopeMember, ScorecardLine
from amkpi.scorecards.model import SIGNS, Card, KpiLine, Point
from amkpi.scorecards.scores import ShownScore

# The attainments from which a KPI is at risk, and on target.
STATUS_EDGES = (0.9, 1.0)
NO_LINE = ScorecardLine(None, None, None, None, "no_data")


class Wording(Protocol):
    """How a reader's texts and figures are written."""

    @property
    def language(self) -> Language: ...
    @property
    def figures(self) -> Formatter: ...
    def t(self, text: str | Message, /, **values: object) -> str: ...
    def choose(self, text: Translation) -> str: ...


def card(context: ReaderContext, member: ScopeMember) -> Card:
    """The scorecard of a member: score, rating, and one line for each KPI."""
    score = context.score(member)
    return Card(
        scope=member.scope,
        staff_id=member.staff_id,
        title=context.title_for_reader(member),
        subtitle=_subtitle(context, member),
        score=score.text(context.language),
        rating=score.rating,
        rating_text=rating_text(context, score),
        change=score_change(context, member),
        note=_score_note(context, score),
        lines=tuple(kpi_line(context, member, kpi) for kpi in kpis()),
    )


def attained(context: ReaderContext, line: ScorecardLine) -> str:
    """Attainment in per cent of target, without decimals unless rounding would contradict the status.

    99.95% of target is `at risk`, so it is shown as 99.9% and not as 100%.
    """
    if line.attainment is None:
        return "–"
    return f"{formatting.percent_below(line.attainment, STATUS_EDGES, context.language)}%"


def _subtitle(context: ReaderContext, member: ScopeMember) -> str:
    if member.scope == "company":
        return context.t("Everything, work without an owner included")
    if member.scope == "team":
        return context.n("{n} person below", "{n} people below", len(context.team()))
    person = context.facts.names.people.get(member.staff_id or "")
    return context.role(person.role) if person else ""


def rating_text(context: ReaderContext, score: ShownScore) -> str:
    """The rating, or why there is none."""
    if score.is_rated:
        return context.t("Rating {rating}", rating=score.rating)
    if score.is_too_early:
        return context.t("Not scored yet ({reason})", reason=score.reason(context.language))
    return context.t("Not rated ({reason})", reason=score.reason(context.language))


def score_change(context: ReaderContext, member: ScopeMember) -> str:
    """The points won or lost since the period before; empty where one has no score, or this one is not over."""
    now, before = context.score(member).number, context.score(member, context.period.before()).number
    if now is None or before is None or context.is_partial:
        return ""
    t, period = context.t, context.period.before().short(context.language)
    points = context.figures.number(abs(now - before), 1)
    if formatting.is_zero(points):
        return t("same as {period}", period=period)
    if now > before:
        return t("{points} points better than {period}", points=points, period=period)
    return t("{points} points worse than {period}", points=points, period=period)


def _score_note(context: ReaderContext, score: ShownScore) -> str:
    count, covered = (score.row.kpis_scored, score.row.weight_covered) if score.row else (0, None)
    scored = context.n("{scored} of {n} KPI scored", "{scored} of {n} KPIs scored", len(kpis()), scored=count)
    if covered is None or score.is_too_early:
        return scored
    share = formatting.percent_below(covered, [score.rules.min_weight_covered], context.language)
    return f"{scored} · {context.t('{share} of the weight', share=f'{share}%')}"


def kpi_line(context: ReaderContext, member: ScopeMember, kpi: Kpi) -> KpiLine:
    """One KPI of a scorecard."""
    line = context.line(member, kpi) or NO_LINE
    value = context.value(member, kpi) or KpiValue(None, None, None, 0, False, kpi.no_data_reason, 0)
    movement, movement_text = movement_of(context, kpi, line)
    trend = _trend(context, member, kpi)
    actual, target = context.figures.pair(value.value, line.target, kpi.unit)
    return KpiLine(
        kpi=kpi.name,
        label=context.choose(kpi.label),
        actual=actual,
        target=target,
        attained=attained(context, line),
        bar=None if line.attainment is None else min(120, round(100 * line.attainment)),
        status=line.status,
        status_word=context.t(STATUS[line.status]),
        sign=SIGNS[line.status],
        movement=movement,
        movement_text=movement_text,
        basis=basis_of(context, kpi, value),
        trend=trend,
        trend_text="; ".join(f"{point.period} {point.text}" for point in trend),
    )


def movement_of(context: Wording, kpi: Kpi, line: ScorecardLine) -> tuple[str, str]:
    """Better or worse than the period before, and by how much in the KPI's own unit: a code and its text.

    Empty while the period runs: the marts have no change then.
    """
    t = context.t
    if line.change is None:
        return "none", ""
    amount = context.figures.size_of_change(abs(line.change), kpi.unit)
    if formatting.is_zero(amount):
        return "same", t("unchanged")
    if (line.change > 0) == (kpi.better == "higher"):
        return "better", t("better by {amount}", amount=amount)
    return "worse", t("worse by {amount}", amount=amount)


def basis_of(context: Wording, kpi: Kpi, value: KpiValue) -> str:
    """The sample of a value (n of N), or why there is no value."""
    t, figures = context.t, context.figures
    if value.value is None:
        reason = value.null_reason or ""
        return context.choose(kpi.null_reasons[reason]) if reason in kpi.null_reasons else t("no data")
    sample = f"{figures.number(value.sample_size)} {kpi.sample.after(value.sample_size, context.language)}"
    if kpi.denominator is None or value.numerator is None or value.denominator is None:
        return sample
    if kpi.aggregation == "ratio_of_amounts":
        cost, budget = figures.pair(value.numerator, value.denominator, "money")
        spent = t("{cost} of {budget}", cost=cost, budget=budget)
        return f"{spent} · {sample}"
    counted = t("{part} of {sample}", part=figures.number(value.numerator), sample=sample)
    if not value.undecided or kpi.undecided is None:
        return counted
    n, whole = figures.number(value.undecided), figures.number(value.sample_size)
    return f"{counted} · {kpi.undecided.after(value.sample_size, context.language).format(n=n, all=whole)}"


def _trend(context: ReaderContext, member: ScopeMember, kpi: Kpi) -> tuple[Point, ...]:
    periods = context.period.last(PERIODS_SHOWN)
    values = [context.value(member, kpi, period) for period in periods]
    known = [v.value for v in values if v and v.value is not None]
    top, unit = max(map(abs, known), default=0.0), formatting.money_unit(*known)
    points = []
    for period, value in zip(periods, values, strict=True):
        number = value.value if value else None
        height = None if number is None else round(100 * max(0.0, number) / top) if top else 0
        text = context.figures.value_without_currency(number, kpi.unit, unit)
        points.append(Point(period.axis(context.language), text, height))
    return tuple(points)
