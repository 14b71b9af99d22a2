"""The KPIs that need attention: those below target that cost the most points, with the records behind each."""

from __future__ import annotations

from collections.abc import Sequence

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language.terms import STATUS
from amkpi.scorecards.compose.kpi_table import attained
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.drivers import Drivers
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.model import SIGNS, MissedKpi

MOST_KPIS = 3


def missed_kpis(context: ReaderContext, main: ScopeMember) -> list[Kpi]:
    """The KPIs below target, those that cost the most points first: weight × (1 − attainment)."""
    short = []
    for kpi in kpis():
        line = context.line(main, kpi)
        if line and line.status in ("at_risk", "off_target"):
            short.append((-line.shortfall, kpi.number, kpi))
    return [kpi for *_, kpi in sorted(short, key=lambda each: each[:2])]


def still_open(context: ReaderContext, main: ScopeMember) -> int:
    """How many KPIs are below target only as long as what is undecided is not counted."""
    lines = (context.line(main, kpi) for kpi in kpis())
    return sum(line is not None and line.status == "still_open" for line in lines)


def title(context: ReaderContext, main: ScopeMember, missed: Sequence[Kpi]) -> str:
    """How many KPIs need attention, or why none does."""
    t, n, undecided = context.t, context.n, still_open(context, main)
    if not missed and context.facts.scores[main, context.period.start].score is None:
        return t("No KPI has a target to be compared with")
    if not missed and undecided:
        return n(
            "Nothing needs attention yet: {n} KPI below its target is still open",
            "Nothing needs attention yet: {n} KPIs below their targets are still open",
            undecided,
        )
    if not missed:
        return t("Nothing needs attention: no KPI is below its target")
    if len(missed) <= MOST_KPIS:
        return n("{n} KPI needs attention", "{n} KPIs need attention", len(missed))
    return t(
        "{n} KPIs need attention; these {most} cost the most points",
        n=context.figures.number(len(missed)),
        most=context.figures.number(MOST_KPIS),
    )


def attention(context: ReaderContext, main: ScopeMember, missed: Sequence[Kpi]) -> tuple[MissedKpi, ...]:
    """The first of the missed KPIs, at most three."""
    return tuple(_missed_kpi(context, main, kpi) for kpi in missed[:MOST_KPIS])


def _missed_kpi(context: ReaderContext, main: ScopeMember, kpi: Kpi) -> MissedKpi:
    line, value = context.line(main, kpi), context.value(main, kpi)
    assert line is not None
    assert value is not None
    return MissedKpi(
        label=context.choose(kpi.label),
        finding=context.t(
            "{actual} against a target of {target} ({attained} attained)",
            actual=context.figures.value(value.value, kpi.unit),
            target=context.figures.value(line.target, kpi.unit),
            attained=attained(context, line),
        ),
        status=line.status,
        status_word=context.t(STATUS[line.status]),
        sign=SIGNS[line.status],
        drivers=Drivers(context).of(main, kpi),
    )
