"""The table of the KPIs: the scorecard of a person, a team or the company."""

from __future__ import annotations

from decimal import Decimal

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.terms import STATUS
from amkpi.scorecards.context import PERIODS_SHOWN, ReaderContext
from amkpi.scorecards.facts import KpiValue, ScopeMember, Score, ScorecardLine
from amkpi.scorecards.model import SIGNS, Card, KpiLine, Point

NO_LINE = ScorecardLine(None, None, None, None, "no_data")


def card(context: ReaderContext, member: ScopeMember) -> Card:
    """The scorecard of a member: score, rating, and one line for each KPI."""
    score = context.facts.scores[member, context.period.start]
    return Card(
        scope=member.scope,
        staff_id=member.staff_id,
        title=context.title_for_reader(member),
        subtitle=_subtitle(context, member),
        score=context.figures.number(score.score, 1),
        rating=score.rating or "",
        rating_text=_rating_text(context, score),
        change=_score_change(context, score, context.score(member, context.period.before())),
        note=_score_note(context, score),
        lines=tuple(_kpi_line(context, member, kpi) for kpi in kpis()),
    )


def attained(context: ReaderContext, line: ScorecardLine) -> str:
    """Attainment in per cent of target, without decimals unless rounding would contradict the status.

    99.95% of target is `at risk`, so it is shown as 99.9% and not as 100%.
    """
    if line.attainment is None:
        return "–"
    share = 100 * Decimal(repr(line.attainment))
    for edge in (90, 100):
        if edge - Decimal("0.5") <= share < edge:
            return f"{formatting.number(min(share, edge - Decimal('0.1')), 1, context.language)}%"
    return context.figures.percent(line.attainment)


def _subtitle(context: ReaderContext, member: ScopeMember) -> str:
    if member.scope == "company":
        return context.t("Everything, work without an owner included")
    if member.scope == "team":
        return context.n("{n} person below", "{n} people below", len(context.team()))
    person = context.facts.names.people.get(member.staff_id or "")
    return context.role(person.role) if person else ""


def _rating_text(context: ReaderContext, score: Score) -> str:
    """The rating, or why there is none: no KPI could be scored, or those that were cover too little weight."""
    if score.rating is not None:
        return context.t("Rating {rating}", rating=score.rating)
    if score.score is None:
        return context.t("Not rated ({reason})", reason=context.t("no KPI could be scored"))
    reason = context.t(
        "only {share} of the weight is scored", share=context.figures.percent(score.weight_covered or 0.0)
    )
    return context.t("Not rated ({reason})", reason=reason)


def _score_change(context: ReaderContext, now: Score, before: Score | None) -> str:
    if now.score is None or before is None or before.score is None:
        return ""
    t, period = context.t, context.period.before().short(context.language)
    points = context.figures.number(abs(now.score - before.score), 1)
    if formatting.is_zero(points):
        return t("same as {period}", period=period)
    if now.score > before.score:
        return t("{points} points better than {period}", points=points, period=period)
    return t("{points} points worse than {period}", points=points, period=period)


def _score_note(context: ReaderContext, score: Score) -> str:
    t = context.t
    scored = context.n(
        "{scored} of {n} KPI scored", "{scored} of {n} KPIs scored", len(kpis()), scored=score.kpis_scored
    )
    if score.weight_covered is None:
        return scored
    return f"{scored} · {t('{share} of the weight', share=context.figures.percent(score.weight_covered))}"


def _kpi_line(context: ReaderContext, member: ScopeMember, kpi: Kpi) -> KpiLine:
    line = context.line(member, kpi) or NO_LINE
    value = context.value(member, kpi) or KpiValue(None, None, None, 0, False, kpi.no_data_reason, 0)
    movement, movement_text = _movement(context, member, kpi, line, value)
    trend = _trend(context, member, kpi)
    return KpiLine(
        kpi=kpi.name,
        label=context.choose(kpi.label),
        actual=context.figures.value(value.value, kpi.unit),
        target=context.figures.value(line.target, kpi.unit),
        attained=attained(context, line),
        status=line.status,
        status_word=context.t(STATUS[line.status]),
        sign=SIGNS[line.status],
        movement=movement,
        movement_text=movement_text,
        basis=_basis(context, kpi, value),
        trend=trend,
        trend_text="; ".join(f"{point.period} {point.text}" for point in trend),
    )


def _movement(
    context: ReaderContext, member: ScopeMember, kpi: Kpi, line: ScorecardLine, value: KpiValue
) -> tuple[str, str]:
    """Better or worse than the period before, and by how much in the KPI's own unit: a code and its text."""
    t, before = context.t, context.period.before()
    whole = context.value(member, kpi, before)
    if kpi.unit == "money" and value.is_provisional and whole is not None:
        # The money of a running period cannot be compared with that of a whole one.
        amount = context.figures.value(whole.value, kpi.unit)
        return "none", t("{period} in whole: {amount}", period=before.short(context.language), amount=amount)
    if line.change is None:
        return "none", ""
    amount = context.figures.size_of_change(abs(line.change), kpi.unit)
    if formatting.is_zero(amount):
        return "same", t("unchanged")
    if (line.change > 0) == (kpi.better == "higher"):
        return "better", t("better by {amount}", amount=amount)
    return "worse", t("worse by {amount}", amount=amount)


def _basis(context: ReaderContext, kpi: Kpi, value: KpiValue) -> str:
    """The sample of a value (n of N), or why there is no value."""
    t, figures = context.t, context.figures
    if value.value is None:
        reason = value.null_reason or ""
        return context.choose(kpi.null_reasons[reason]) if reason in kpi.null_reasons else t("no data")
    sample = f"{figures.number(value.sample_size)} {kpi.sample.after(value.sample_size, context.language)}"
    if kpi.denominator is None or value.numerator is None or value.denominator is None:
        return sample
    if kpi.aggregation == "ratio_of_amounts":
        spent = t(
            "{cost} of {budget}",
            cost=figures.value(value.numerator, "money"),
            budget=figures.value(value.denominator, "money"),
        )
        return f"{spent} · {sample}"
    counted = t("{part} of {sample}", part=figures.number(value.numerator), sample=sample)
    if not value.undecided or kpi.undecided is None:
        return counted
    n, whole = figures.number(value.undecided), figures.number(value.sample_size)
    return f"{counted} · {kpi.undecided.after(value.sample_size, context.language).format(n=n, all=whole)}"


def _trend(context: ReaderContext, member: ScopeMember, kpi: Kpi) -> tuple[Point, ...]:
    periods = context.period.last(PERIODS_SHOWN)
    values = [context.value(member, kpi, period) for period in periods]
    top = max((abs(v.value) for v in values if v and v.value is not None), default=0.0)
    points = []
    for period, value in zip(periods, values, strict=True):
        number = value.value if value else None
        height = None if number is None else round(100 * max(0.0, number) / top) if top else 0
        text = context.figures.value_without_currency(number, kpi.unit)
        points.append(Point(period.axis(context.language), text, height))
    return tuple(points)
