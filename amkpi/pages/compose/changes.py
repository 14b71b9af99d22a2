"""The page on changes: figures that differ from those that were mailed, adjustments to closed periods, and closings."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import duckdb

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.names import plain
from amkpi.core.language.periods import Period
from amkpi.core.language.terms import CAUSE
from amkpi.pages.model import Figure, Link, Name, Page, Table, Text
from amkpi.pages.rights import readable_rows
from amkpi.pages.sections.context import PageContext, day, join, span
from amkpi.pages.sections.layout import layout
from amkpi.pages.sections.scorecard import title
from amkpi.scorecards.facts import ScopeMember


class Source(Protocol):
    """The publication that the changes are read from."""

    def connection(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]: ...


def changes_page(context: PageContext, source: Source) -> Page:
    """What changed, as far as the reader may see it."""
    with source.connection() as connection:
        restated = connection.execute(
            "select scope, staff_id, kpi, period_grain, period_start, what, value_then, value_now, rating_then,"
            " rating_now, cause, cast(mailed_at as date) from restatements order by all"
        ).fetchall()
        adjusted = connection.execute(
            "select scope, staff_id, kpi, period_grain, period_start, numerator::double, denominator::double,"
            " fresh_value, cause, carried_to from adjustments order by all"
        ).fetchall()
        scores = connection.execute(
            "select scope, staff_id, period_grain, period_start, closed_score, closed_rating, fresh_score,"
            " fresh_rating, cause from adjusted_scores order by all"
        ).fetchall()
        closings = connection.execute(
            "select n, period_grain, period_start, cast(closed_at as date), closed_by, as_of,"
            " cast(reopened_at as date), reopened_by from closings order by n desc, period_grain, period_start"
        ).fetchall()
    t = context.t
    return Page(
        template="list.html.j2",
        layout=layout(context, t("Changes"), (t("Changes"),)),
        tables=(
            _restatements(context, readable_rows(restated, context.reader)),
            _adjustments(context, readable_rows(adjusted, context.reader)),
            _scores(context, readable_rows(scores, context.reader)),
            _closings(context, closings),
        ),
    )


def _whose(context: PageContext, scope: str, staff_id: str | None, period: Period) -> Text:
    member = ScopeMember(scope, staff_id)
    name, href = title(context, member), context.member_href(member, period)
    return (Link(name, href),) if href else name


def _kpi(context: PageContext, kpi: Kpi | None, member: ScopeMember, period: Period) -> Text:
    if kpi is None:
        return (context.t("Weighted score"),)
    href, label = context.kpi_href(kpi, member, period), context.choose(kpi.label)
    return (Link((label,), href),) if href else (label,)


def _cause(context: PageContext, cause: str | None) -> Text:
    causes = [each for each in (cause or "").split(",") if each]
    known = [context.t(CAUSE[each]) if each in CAUSE else each for each in causes]
    return (", ".join(known),) if known else (context.t("cause not known any more"),)


def _restatements(context: PageContext, rows: list[tuple[Any, ...]]) -> Table:
    """Figures that mails reported and that are others now."""
    t, found, catalogue = context.t, [], {kpi.name: kpi for kpi in kpis()}
    for scope, staff_id, name, grain, start, what, then, now, rated_then, rated_now, cause, mailed in rows:
        period, kpi = Period.starting(grain, start), catalogue.get(name)
        unit = kpi.unit if kpi and what in ("value", "target") else "ratio" if what == "attainment" else "score"
        pair = [
            (Name(f"{rating}"),) if number is None and rating else _figure(context, number, unit, f"restatements.{of}")
            for number, rating, of in ((then, rated_then, "value_then"), (now, rated_now, "value_now"))
        ]
        found.append(
            (
                _whose(context, scope, staff_id, period),
                _kpi(context, kpi, ScopeMember(scope, staff_id), period),
                (span(period, context.language),),
                *pair,
                _cause(context, cause),
                (day(mailed),) if mailed else (),
            )
        )
    return Table(
        title=t("Restated: other than in the mails"),
        name="restatements",
        heads=(t("Whose"), t("KPI"), t("Period"), t("As mailed"), t("Now"), t("Cause"), t("Mailed")),
        kinds=("text", "text", "text", "number", "number", "text", "date"),
        rows=tuple(found),
        empty=t("Nothing that was mailed has changed since."),
    )


def _adjustments(context: PageContext, rows: list[tuple[Any, ...]]) -> Table:
    """Differences to what was closed, and whether a later closing took them up."""
    t, found, catalogue = context.t, [], {kpi.name: kpi for kpi in kpis()}
    for scope, staff_id, name, grain, start, numerator, denominator, fresh, cause, carried_to in rows:
        period, kpi = Period.starting(grain, start), catalogue[name]
        unit = "money" if kpi.is_of_amounts else "count"
        parts = [_signed(context, numerator, unit, "adjustments.numerator")]
        if kpi.denominator is not None:
            parts.append(_signed(context, denominator, unit, "adjustments.denominator"))
        taken: Text = (t("open"),)
        if carried_to is not None:
            taken = (span(Period.starting(grain, carried_to), context.language),)
        found.append(
            (
                _whose(context, scope, staff_id, period),
                _kpi(context, kpi, ScopeMember(scope, staff_id), period),
                (span(period, context.language),),
                join(" / ", *parts),
                _figure(context, fresh, kpi.unit, "adjustments.fresh_value"),
                _cause(context, cause),
                taken,
            )
        )
    return Table(
        title=t("Adjustments to closed periods"),
        name="adjustments",
        heads=(t("Whose"), t("KPI"), t("Period"), t("Difference"), t("Recomputed"), t("Cause"), t("Taken up by")),
        kinds=("text", "text", "text", "number", "number", "text", "text"),
        rows=tuple(found),
        empty=t("No figure of a closed period has changed since it was closed."),
    )


def _scores(context: PageContext, rows: list[tuple[Any, ...]]) -> Table:
    """Scores of closed periods that would be others today."""
    t, found = context.t, []
    for scope, staff_id, grain, start, closed, closed_rating, fresh, fresh_rating, cause in rows:
        period = Period.starting(grain, start)
        found.append(
            (
                _whose(context, scope, staff_id, period),
                (span(period, context.language),),
                _rated(context, closed, closed_rating, "adjusted_scores.closed_score"),
                _rated(context, fresh, fresh_rating, "adjusted_scores.fresh_score"),
                _cause(context, cause),
            )
        )
    return Table(
        title=t("Scores of closed periods"),
        name="scores",
        heads=(t("Whose"), t("Period"), t("As closed"), t("Recomputed"), t("Cause")),
        kinds=("text", "text", "number", "number", "text"),
        rows=tuple(found),
        empty=t("No score of a closed period has changed since it was closed."),
    )


def _closings(context: PageContext, rows: list[tuple[Any, ...]]) -> Table:
    """Every closing and reopening."""
    t, found = context.t, []
    for n, grain, start, closed_at, closed_by, as_of, reopened_at, reopened_by in rows:
        reopened: Text = ()
        if reopened_at is not None:
            reopened = (day(reopened_at), " ", Name(plain(reopened_by or "")))
        found.append(
            (
                (Figure(str(n), n, "closings.n"),),
                (span(Period.starting(grain, start), context.language),),
                (day(closed_at),),
                (Name(plain(closed_by)),),
                (day(as_of),),
                reopened,
            )
        )
    return Table(
        title=t("Closings"),
        name="closings",
        heads=(t("No."), t("Period"), t("Closed on"), t("By"), t("Data as of"), t("Reopened")),
        kinds=("number", "text", "date", "text", "date", "text"),
        rows=tuple(found),
        empty=t("No period was ever closed."),
    )


def _figure(context: PageContext, number: float | None, unit: str, of: str) -> Text:
    return (Figure(context.figures.value(number, unit), number, of),)


def _rated(context: PageContext, score: float | None, rating: str | None, of: str) -> Text:
    """A score with its rating, as the figure of its own band; a dash for one that is not rated, as in the mails."""
    if score is None or not rating:
        return (Figure("–", None, of),)
    text = formatting.score(score, context.language, rating, context.facts.rules.bands)
    return (Figure(text, score, of), " ", Name(rating))


def _signed(context: PageContext, amount: float, unit: str, of: str) -> Text:
    sign = "+" if amount > 0 else "−" if amount < 0 else "±"
    size = abs(amount)
    text = context.figures.value(size, "money") if unit == "money" else context.figures.number(size)
    return (Figure(sign + text, amount, of),)
