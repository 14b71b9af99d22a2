"""The part with what was learned of closed periods since: the scores that would be others, and the adjustments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from amkpi.core.catalogue import Kpi, kpi_named
from amkpi.core.language import formatting
from amkpi.core.language.names import shortened
from amkpi.core.language.periods import Period
from amkpi.scorecards.closings import Adjustment
from amkpi.scorecards.compose.changes import cause_words, first_records, may_read, rated
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import ScopeMember


def adjustments(context: ReaderContext) -> tuple[str, ...]:
    """Each score and KPI of a closed period that would be another one today; the widest scope first, then the score.

    For a closed period its own, open or taken up; for an open one what its closing would take up.
    """
    t, found = context.t, []
    for score in context.facts.closings.scores:
        if may_read(context, score.scope, score.staff_id):
            text = t(
                "{kpi}, {period}, {whose}: {change} ({cause})",
                kpi=t("Weighted score"),
                period=_period(context, score.period_start),
                whose=context.title_for_reader(ScopeMember(score.scope, score.staff_id)),
                change=f"{rated(context, score.closed_score, score.closed_rating)} → "
                f"{rated(context, score.fresh_score, score.fresh_rating)}",
                cause=cause_words(context, score.causes),
            )
            found.append((_order(context, score.scope, score.staff_id, 0), text))
    for row in context.facts.closings.adjustments:
        if may_read(context, row.scope, row.staff_id):
            kpi = kpi_named(row.kpi)
            text = t(
                "{kpi}, {period}, {whose}: {change} ({cause})",
                kpi=context.choose(kpi.label),
                period=_period(context, row.period_start),
                whose=context.title_for_reader(ScopeMember(row.scope, row.staff_id)),
                change=_change(context, kpi, row),
                cause=cause_words(context, row.causes),
            )
            parts = (text, _state(context, row), first_records(context, row.records))
            order = _order(context, row.scope, row.staff_id, kpi.number)
            found.append((order, " · ".join(part for part in parts if part)))
    return tuple(text for _, text in sorted(found))


def closed_by(context: ReaderContext) -> str:
    """When the period was closed, with the data of which day, and for whom may know it by whom; empty while open."""
    closing = context.facts.closings.closing
    if closing is None:
        return ""
    day, as_of = formatting.day(closing.closed_at.date()), formatting.day(closing.as_of)
    if not context.recipient.reader.may_name_operators:
        return context.t("Closed on {day} · data as of {as_of}", day=day, as_of=as_of)
    name = shortened(closing.closed_by)
    return context.t("Closed by {name} on {day} · data as of {as_of}", name=name, day=day, as_of=as_of)


def _order(context: ReaderContext, scope: str, staff_id: str | None, number: int) -> tuple[int, str, int]:
    width = {"company": 0, "team": 1}.get(scope, 2 if staff_id == context.recipient.staff_id else 3)
    return (width, staff_id or "", number)


def _change(context: ReaderContext, kpi: Kpi, row: Adjustment) -> str:
    """The differences, and what the period would give today."""
    amounts = (row.numerator, row.denominator) if kpi.denominator is not None else (row.numerator,)
    differences, fresh = difference_texts(context, kpi, amounts, row.fresh_value)
    return context.t("{difference}, recomputed {value}", difference=" / ".join(differences), value=fresh)


def difference_texts(
    context: ReaderContext, kpi: Kpi, amounts: Sequence[float], fresh: float | None
) -> tuple[tuple[str, ...], str]:
    """Differences of numerator and denominator, with their signs, and the value of today: money in one unit."""
    sizes, figures = [abs(amount) for amount in amounts], context.figures
    if kpi.unit == "money":
        *texts, value = figures.in_one_unit((*sizes, fresh), "money")
    else:
        texts = [*(figures.in_one_unit(sizes, "money") if kpi.is_of_amounts else map(figures.number, sizes))]
        value = figures.value(fresh, kpi.unit)
    signs = ("+" if amount > 0 else "−" if amount < 0 else "±" for amount in amounts)
    return tuple(sign + text for sign, text in zip(signs, texts, strict=True)), value


def _state(context: ReaderContext, row: Adjustment) -> str:
    if row.carried_to is None:
        return context.t("open")
    return context.t("taken up by {period}", period=_period(context, row.carried_to))


def _period(context: ReaderContext, start: date) -> str:
    return Period.holding(context.period.grain, start).short(context.language)
