"""The subject of a mail: `T9/2026 · Nhóm Lan: 102 (A), 3 chỉ số cần chú ý`."""

from __future__ import annotations

from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import ScopeMember


def subject_line(context: ReaderContext, main: ScopeMember, missed: int, still_open: int) -> str:
    """Period, whose scorecard, score and rating, and how many KPIs need attention.

    main: the scorecard that the mail is about. missed: its KPIs below target. still_open:
    those that can still reach it.
    """
    t, score = context.t, context.facts.scores[main, context.period.start]
    if score.score is None:
        result = t("not scored yet")
    else:
        result = f"{context.figures.number(score.score)} ({score.rating or t('not rated')})"
    if missed:
        news = context.n("{n} KPI needs attention", "{n} KPIs need attention", missed)
    elif score.score is None:
        news = t("nothing to compare with a target")
    elif still_open:
        news = context.n("{n} KPI still open", "{n} KPIs still open", still_open)
    else:
        news = t("all on target")
    return f"{context.period.short(context.language)} · {context.title(main)}: {result}, {news}"
