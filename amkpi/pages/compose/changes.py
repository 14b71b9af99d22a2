"""The page on changes: figures that differ from those that were mailed, adjustments to closed periods, and closings."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

import duckdb

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.names import shortened
from amkpi.core.language.periods import Period
from amkpi.core.language.terms import CAUSE
from amkpi.pages.model import Figure, Link, Name, Page, Subject, Table, Text
from amkpi.pages.rights import readable_operator, readable_rows
from amkpi.pages.sections.context import PageContext, day, join, span
from amkpi.pages.sections.layout import layout
from amkpi.pages.sections.scorecard import title
from amkpi.scorecards.compose.adjustments import difference_texts
from amkpi.scorecards.compose.kpi_table import NO_LINE, attained
from amkpi.scorecards.facts import ScopeMember


class Source(Protocol):
    """The publication that the changes are read from."""

    def connection(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]: ...


def changes_page(context: PageContext, source: Source) -> Page:
    """What changed, as far as the reader may see it."""
    with source.connection() as connection:
        restated = connection.execute(
            # The rating of a score is a restatement of its own, and is none where it is the same as then.
            "select r.scope, r.staff_id, r.kpi, r.period_grain, r.period_start, r.what, r.value_then, r.value_now,"
            " if(r.what = 'score' and rated.what is null, s.rating, coalesce(r.rating_then, rated.rating_then)),"
            " if(r.what = 'score' and rated.what is null, s.rating, coalesce(r.rating_now, rated.rating_now)),"
            " r.cause, cast(r.mailed_at as date) from restatements as r"
            " left join restatements as rated on r.what = 'score' and rated.what = 'rating' and r.scope = rated.scope"
            " and r.staff_id is not distinct from rated.staff_id and r.period_grain = rated.period_grain"
            " and r.period_start = rated.period_start"
            " left join scorecards as s on r.what = 'score' and r.scope = s.scope"
            " and r.staff_id is not distinct from s.staff_id and r.period_grain = s.period_grain"
            " and r.period_start = s.period_start order by all"
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
            _restatements(context, _readable(context, restated)),
            _adjustments(context, _readable(context, adjusted)),
            _scores(context, _readable(context, scores)),
            _closings(context, closings),
        ),
    )


def _readable(context: PageContext, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows that the reader may see, the widest scope first, as in the mails."""
    return sorted(readable_rows(rows, context.reader), key=lambda row: ("company", "team", "own").index(row[0]))


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
    t, found, subjects, catalogue = context.t, [], [], {kpi.name: kpi for kpi in kpis()}
    for scope, staff_id, name, grain, start, what, then, now, rated_then, rated_now, cause, mailed in rows:
        period, kpi = Period.starting(grain, start), catalogue.get(name)
        subjects.append(Subject(scope, staff_id or "", name, grain, start, what))
        if what == "score":
            pair = [
                _rated(context, then, rated_then, "restatements.value_then"),
                _rated(context, now, rated_now, "restatements.value_now"),
            ]
        elif what == "rating":
            pair = [(Name(rated_then or "–"),), (Name(rated_now or "–"),)]
        else:
            pair = _restated_pair(context, kpi, what, then, now)
        found.append(
            (
                _whose(context, scope, staff_id, period),
                join(" · ", _kpi(context, kpi, ScopeMember(scope, staff_id), period), _what(context, what)),
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
        subjects=tuple(subjects),
        empty=t("Nothing that was mailed has changed since."),
    )


def _what(context: PageContext, what: str) -> Text:
    """Which figure of a line it is; a value and a score need no word."""
    words = {"target": context.t("Target"), "attainment": context.t("Attained"), "rating": context.t("Rating")}
    return (words[what],) if what in words else ()


def _restated_pair(
    context: PageContext, kpi: Kpi | None, what: str, then: float | None, now: float | None
) -> list[Text]:
    """A value, target or attainment then and now: rounded as everywhere, and money in one unit."""
    if what == "attainment" or kpi is None:
        texts = [attained(context, replace(NO_LINE, attainment=each)) for each in (then, now)]
    else:
        texts = list(context.figures.pair(then, now, kpi.unit))
    columns = ("restatements.value_then", "restatements.value_now")
    return [(Figure(*each),) for each in zip(texts, (then, now), columns, strict=True)]


def _adjustments(context: PageContext, rows: list[tuple[Any, ...]]) -> Table:
    """Differences to what was closed, and whether a later closing took them up."""
    t, found, subjects, catalogue = context.t, [], [], {kpi.name: kpi for kpi in kpis()}
    for scope, staff_id, name, grain, start, numerator, denominator, fresh, cause, carried_to in rows:
        period, kpi = Period.starting(grain, start), catalogue[name]
        subjects.append(Subject(scope, staff_id or "", name, grain, start, str(carried_to or "")))
        amounts = (numerator, denominator) if kpi.denominator is not None else (numerator,)
        columns = ("adjustments.numerator", "adjustments.denominator")
        texts, value = difference_texts(context, kpi, amounts, fresh)
        parts = [(Figure(*each),) for each in zip(texts, amounts, columns, strict=False)]
        taken: Text = (t("open"),)
        if carried_to is not None:
            taken = (span(Period.starting(grain, carried_to), context.language),)
        found.append(
            (
                _whose(context, scope, staff_id, period),
                _kpi(context, kpi, ScopeMember(scope, staff_id), period),
                (span(period, context.language),),
                join(" / ", *parts),
                (Figure(value, fresh, "adjustments.fresh_value"),),
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
        subjects=tuple(subjects),
        empty=t("No figure of a closed period has changed since it was closed."),
    )


def _scores(context: PageContext, rows: list[tuple[Any, ...]]) -> Table:
    """Scores of closed periods that would be others today."""
    t, found, subjects = context.t, [], []
    for scope, staff_id, grain, start, closed, closed_rating, fresh, fresh_rating, cause in rows:
        period = Period.starting(grain, start)
        subjects.append(Subject(scope, staff_id or "", None, grain, start))
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
        subjects=tuple(subjects),
        empty=t("No score of a closed period has changed since it was closed."),
    )


def _closings(context: PageContext, rows: list[tuple[Any, ...]]) -> Table:
    """Every closing and reopening. Who did it is a column for those who may know."""
    t, reader, found = context.t, context.reader, []
    for n, grain, start, closed_at, closed_by, as_of, reopened_at, reopened_by in rows:
        closer, opener = (readable_operator(name or "", reader) for name in (closed_by, reopened_by))
        reopened: Text = (day(reopened_at),) if reopened_at is not None else ()
        found.append(
            (
                (Figure(str(n), n, "closings.n"),),
                (span(Period.starting(grain, start), context.language),),
                (day(closed_at),),
                (day(as_of),),
                join(" ", reopened, (Name(shortened(opener)),) if opener else ()),
                *(((Name(shortened(closer)),),) if reader.may_name_operators else ()),
            )
        )
    by = reader.may_name_operators
    return Table(
        title=t("Closings"),
        name="closings",
        heads=(t("No."), t("Period"), t("Closed on"), t("Data as of"), t("Reopened"), *((t("By"),) if by else ())),
        kinds=("number", "text", "date", "date", "text", *(("text",) if by else ())),
        rows=tuple(found),
        empty=t("No period was ever closed."),
    )


def _rated(context: PageContext, score: float | None, rating: str | None, of: str) -> Text:
    """A score with its rating, as the figure of its own band; a dash for one that is not rated, as in the mails."""
    if score is None or not rating:
        return (Figure("–", None, of),)
    text = formatting.score(score, context.language, rating, context.facts.rules.bands)
    return (Figure(text, score, of), " ", Name(rating))
