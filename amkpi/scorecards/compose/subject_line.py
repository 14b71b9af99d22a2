"""The subject of a mail: `T9/2026 · Nhóm Lan: 101,9 (A), 3 chỉ số cần chú ý`."""

from __future__ import annotations

from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.todos.parts import Standing


def subject_line(context: ReaderContext, main: ScopeMember, found: Standing) -> str:
    """Period, whose scorecard, score and rating, and how many KPIs need attention.

    main: the scorecard that the mail is about. found: its KPIs that miss their target, or may still reach it.
    """
    head = f"{context.period_short()} · {context.title(main)}"
    return f"{head}: {', '.join(part for part in (_result(context, main), _news(context, main, found)) if part)}"


def _result(context: ReaderContext, main: ScopeMember) -> str:
    score = context.score(main)
    if score.is_rated:
        return f"{score.text(context.language)} ({score.rating})"
    return context.t("not scored yet") if score.is_too_early else context.t("not rated")


def _news(context: ReaderContext, main: ScopeMember, found: Standing) -> str:
    score = context.score(main)
    if score.is_too_early:
        return context.n("{n} day of data", "{n} days of data", score.days)
    if found.missed:
        return context.n("{n} KPI needs attention", "{n} KPIs need attention", len(found.missed))
    if score.row is None or score.row.score is None:
        return context.t("nothing to compare with a target")
    if found.undecided:
        return context.n("{n} KPI still open", "{n} KPIs still open", len(found.undecided))
    return context.t("all on target")
