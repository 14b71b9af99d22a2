"""The reader's people: a matrix of all of them, and full scorecards of those who need attention most."""

from __future__ import annotations

from collections.abc import Sequence

from amkpi.core.catalogue import kpis
from amkpi.core.language.names import name_key
from amkpi.core.language.terms import STATUS
from amkpi.core.language.translator import Message
from amkpi.scorecards.compose.kpi_table import NO_LINE, attained
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.model import SIGNS, Cell, Matrix, MatrixRow

MOST_FULL_CARDS = 4
_MEANING = {
    "on_target": Message("100% or more"),
    "at_risk": Message("90 to 99%"),
    "off_target": Message("below 90%"),
    "still_open": Message("below 90%, but what is undecided can bring it to target"),
}


def people_by_need(context: ReaderContext) -> list[str]:
    """The staff ids of the reader's people with a scorecard in this period, those who lost the most points first."""
    return sorted(context.team(), key=lambda m: (-_shortfall(context, m), name_key(context.full_name(m)), m))


def people_to_help(context: ReaderContext, people: Sequence[str]) -> list[str]:
    """Those with a KPI off target, at most four. people: by need."""
    return [staff_id for staff_id in people if _is_off_target(context, staff_id)][:MOST_FULL_CARDS]


def people_by_name(context: ReaderContext, people: Sequence[str]) -> list[str]:
    """The same people in the order of a Vietnamese list of names."""
    return sorted(people, key=lambda staff_id: (name_key(context.full_name(staff_id)), staff_id))


def people_title(context: ReaderContext) -> str:
    """The title of the full scorecards."""
    return context.t("Who needs attention most")


def matrix(context: ReaderContext, people: Sequence[str]) -> Matrix:
    """People × KPIs: per cent of target attained. people: by need."""
    t = context.t
    without = len(context.recipient.team) - len(people)
    return Matrix(
        title=t("Your people: per cent of target attained"),
        heads=tuple((context.choose(kpi.short_label), context.choose(kpi.label)) for kpi in kpis()),
        rows=tuple(_row(context, staff_id) for staff_id in people),
        legend=tuple(
            (status, sign, t(STATUS[status]), t(_MEANING[status]) if status in _MEANING else "")
            for status, sign in SIGNS.items()
        ),
        note=(
            context.n(
                "{n} more person below you has no scorecard in this period",
                "{n} more people below you have no scorecard in this period",
                without,
            )
            if without
            else ""
        ),
    )


def _row(context: ReaderContext, staff_id: str) -> MatrixRow:
    member = ScopeMember("own", staff_id)
    score = context.facts.scores[member, context.period.start]
    cells = []
    for kpi in kpis():
        line = context.line(member, kpi) or NO_LINE
        text = "" if line.attainment is None else attained(context, line).removesuffix("%")
        cells.append(Cell(text, SIGNS[line.status], line.status))
    return MatrixRow(
        context.full_name(staff_id), context.figures.number(score.score), score.rating or "–", tuple(cells)
    )


def _shortfall(context: ReaderContext, staff_id: str) -> float:
    lines = (context.line(ScopeMember("own", staff_id), kpi) for kpi in kpis())
    return sum(line.shortfall for line in lines if line)


def _is_off_target(context: ReaderContext, staff_id: str) -> bool:
    lines = (context.line(ScopeMember("own", staff_id), kpi) for kpi in kpis())
    return any(line is not None and line.status == "off_target" for line in lines)
