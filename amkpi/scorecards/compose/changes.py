"""What changed since the last mail, and the figures of this mail that the next one is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.names import plain
from amkpi.core.language.periods import Period
from amkpi.core.language.terms import CAUSE
from amkpi.core.language.translator import Message
from amkpi.scorecards.context import PERIODS_SHOWN, ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.model import Figure, SentFigure
from amkpi.scorecards.restatements.causes import Why
from amkpi.scorecards.restatements.lines import RestatedLine

MOST_CHANGES = 6
MOST_RECORDS = 3
CAUSES = {
    **CAUSE,
    "unknown": Message("cause not known any more"),
}


def changes(
    context: ReaderContext, restated: Iterable[RestatedLine], why: Callable[[RestatedLine], Why]
) -> tuple[str, ...]:
    """What differs from what this reader was last sent, of periods of any grain, with the cause and the first records.

    The widest scope comes first, then the newest period; the score comes before the KPIs.
    """
    catalogue = {kpi.name: kpi for kpi in kpis()}
    found = []
    for line in restated:
        if not may_read(context, line.scope, line.staff_id):
            continue
        kpi = catalogue[line.kpi] if line.kpi else None
        cause = why(line)
        text = context.t(
            "{kpi}, {period}, {whose}: {change} ({cause})",
            kpi=context.choose(kpi.label) if kpi else context.t("Weighted score"),
            period=_period_from(line.grain, line.period_start).short(context.language),
            whose=context.title_for_reader(ScopeMember(line.scope, line.staff_id)),
            change=_kpi_change(context, kpi, line) if kpi else _score_change(context, line),
            cause=cause_words(context, cause.causes),
        )
        width = {"company": 0, "team": 1}.get(line.scope, 2 if line.staff_id == context.recipient.staff_id else 3)
        order = (width, -line.period_start.toordinal(), line.grain, line.staff_id or "", kpi.number if kpi else 0)
        found.append((order, " · ".join(each for each in (text, first_records(context, cause.records)) if each)))
    return tuple(text for _, text in sorted(found))


def cause_words(context: ReaderContext, causes: Iterable[str]) -> str:
    """Causes of the marts in the reader's language."""
    return ", ".join(context.t(CAUSES[each]) for each in causes)


def _score_change(context: ReaderContext, line: RestatedLine) -> str:
    """`101.9 A → 109.0 A`."""
    then = {what: sent.figure for what, sent in line.then.items()}
    return " → ".join(
        rated(context, _number(figures.get("score")), figures.get("rating")) for figures in (then, dict(line.now))
    )


def rated(context: ReaderContext, score: float | None, rating: Figure) -> str:
    """A score with its rating: `101.9 A`; a dash for one that is not rated."""
    if score is None or not rating:
        return "–"
    return f"{formatting.score(score, context.language, str(rating), context.facts.rules.bands)} {rating}"


def _number(figure: Figure) -> float | None:
    return figure if isinstance(figure, (int, float)) else None


def _kpi_change(context: ReaderContext, kpi: Kpi, line: RestatedLine) -> str:
    def pair(what: str, unit: str) -> str:
        then, now = line.then[what].figure, line.now[what]
        return " → ".join(context.figures.pair(_number(then), _number(now), unit))

    parts = {
        "value": lambda: pair("value", kpi.unit),
        "target": lambda: context.t("target {change}", change=pair("target", kpi.unit)),
        "attainment": lambda: context.t("attained {change}", change=pair("attainment", "ratio")),
    }
    return "; ".join(parts[what]() for what in line.reported)


def first_records(context: ReaderContext, records: Sequence[tuple[str | None, str | None]]) -> str:
    """The first of the records, by client_id and source_id, with the client's name, and how many more there are."""
    names = context.facts.names.clients
    shown = [
        " ".join(plain(part) for part in (source_id, names.get(client_id or "", client_id)) if part)
        for client_id, source_id in records[:MOST_RECORDS]
    ]
    more = len(records) - MOST_RECORDS
    return ", ".join([*shown, context.n("and {n} more", "and {n} more", more)] if more > 0 else shown)


def how_many_more(context: ReaderContext, entries: Sequence[str]) -> str:
    """How many entries of a section only the PDF has; empty when the mail has all of them."""
    more = len(entries) - MOST_CHANGES
    return context.n("{n} more is in the PDF", "{n} more are in the PDF", more) if more > 0 else ""


def sent_figures(
    context: ReaderContext, members: Sequence[ScopeMember], people: Sequence[str], restated: Iterable[RestatedLine]
) -> tuple[SentFigure, ...]:
    """The figures of periods that are over that this mail reports; `weight` with them, because it moves scores.

    members: whose scorecards it has; the chart has the scores of the first. people: staff ids whose scorecards are in
    the PDF. restated: the section of changes names the figures of today.
    """
    found: dict[tuple[ScopeMember, str | None, str, date, str], Figure] = {}
    for line in restated:
        if may_read(context, line.scope, line.staff_id):
            member = ScopeMember(line.scope, line.staff_id)
            found |= {
                (member, line.kpi, line.grain, line.period_start, what): line.now[what] for what in line.differing
            }
    everybody = (*members, *(ScopeMember("own", staff_id) for staff_id in sorted(people)))
    grain, newest = context.period.grain, context.period.start
    for member in everybody:
        for period in context.period.last(PERIODS_SHOWN):
            score = context.score(member, period).row
            if score and not score.is_provisional and (period.start == newest or member == members[0]):
                found[member, None, grain, period.start, "score"] = score.score
                found[member, None, grain, period.start, "rating"] = score.rating
            for kpi in kpis():
                value = context.value(member, kpi, period)
                if value is None or value.is_provisional:
                    continue
                found[member, kpi.name, grain, period.start, "value"] = value.value
                line_now = context.line(member, kpi)
                if period.start == newest and line_now is not None:
                    found[member, kpi.name, grain, period.start, "target"] = line_now.target
                    found[member, kpi.name, grain, period.start, "attainment"] = line_now.attainment
                    found[member, kpi.name, grain, period.start, "weight"] = line_now.weight
    return tuple(
        SentFigure(member.scope, member.staff_id, kpi_name, of_grain, start, what, figure)
        for (member, kpi_name, of_grain, start, what), figure in found.items()
    )


def may_read(context: ReaderContext, scope: str, staff_id: str | None) -> bool:
    """Whether the reader gets this scorecard."""
    reader = context.recipient
    if scope == "company":
        return reader.company
    if scope == "team":
        return staff_id == reader.staff_id and reader.leads
    return staff_id == reader.staff_id or staff_id in reader.team


def _period_from(grain: str, start: date) -> Period:
    months = {"month": 1, "quarter": 3}.get(grain, 12)
    last = start.year * 12 + start.month - 1 + months - 1
    return Period.ending(grain, date(last // 12, last % 12 + 1, 1))
