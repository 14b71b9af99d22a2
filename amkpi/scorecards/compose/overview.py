"""The head of a mail: period, reader, provisional or closed, and the weighted score over six periods."""

from __future__ import annotations

from collections.abc import Sequence

from amkpi.core.language import formatting
from amkpi.core.language.names import plain
from amkpi.scorecards.compose.adjustments import closed_by
from amkpi.scorecards.context import PERIODS_SHOWN, ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.model import ScoreBar


def eyebrow(context: ReaderContext, main: ScopeMember) -> str:
    """The line above the period's name: whose scorecard this is."""
    return context.t("KPI scorecard · {whose}", whose=context.title(main))


def personal(context: ReaderContext) -> str:
    """The line that names the one reader."""
    reader = context.recipient
    return context.t(
        "For {name} ({id}) only · {role}",
        name=plain(reader.person.full_name),
        id=plain(reader.staff_id),
        role=context.role(reader.person.role),
    )


def state(context: ReaderContext) -> str:
    """Whether the period runs, is over or is closed, by whom and when; and the date of the data."""
    closed = closed_by(context)
    if closed:
        return closed
    day = formatting.day(context.facts.publication.as_of)
    if context.is_running:
        return context.t("Provisional · data as of {day}", day=day)
    return context.t("The period is over, not closed yet · data as of {day}", day=day)


def score_bars(context: ReaderContext, main: ScopeMember) -> tuple[ScoreBar, ...]:
    """The weighted score and rating of the last six periods, oldest first."""
    bars = []
    for period in context.period.last(PERIODS_SHOWN):
        score = context.score(main, period)
        text = score.text(context.language)
        bars.append(ScoreBar(period.axis(context.language), score.number, text, score.rating))
    return tuple(bars)


def chart_title(context: ReaderContext) -> str:
    """The title of the chart."""
    return context.t("Weighted score over six periods")


def chart_text(bars: Sequence[ScoreBar]) -> str:
    """The numbers of the chart as its alternative text."""
    return "; ".join(f"{bar.period} {bar.text}" + (f" ({bar.rating})" if bar.rating else "") for bar in bars)
