"""The reader's teams and people: a matrix of each, and full scorecards of the people who need attention most."""

from __future__ import annotations

from collections.abc import Sequence

from amkpi.core.catalogue import kpis
from amkpi.core.language.names import name_key
from amkpi.core.language.terms import STATUS
from amkpi.core.language.translator import Message
from amkpi.scorecards.compose.kpi_table import NO_LINE, attained, rating_text
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.model import SIGNS, Cell, Matrix, MatrixRow

MOST_FULL_CARDS = 4
# With more people the mail shows their teams; each person is in the PDF and on the pages.
MOST_PEOPLE = 40
_MEANING = {
    "on_target": Message("100% or more"),
    "at_risk": Message("90 to 99%"),
    "off_target": Message("below 90%"),
    "still_open": Message("below 90%, but what is undecided can bring it to target"),
    "too_early": Message("below target, but the period has only begun"),
}


def people_by_need(context: ReaderContext) -> list[str]:
    """The staff ids of the reader's people with a scorecard in this period, those who lost the most points first.

    Who is not rated comes last, by name: there is too little behind it to say who needs help.
    """
    return sorted(context.team(), key=lambda m: _need(context, ScopeMember("own", m)))


def people_to_help(context: ReaderContext, people: Sequence[str]) -> list[str]:
    """Those with a rating and a KPI off target, at most four. people: by need."""
    return [staff_id for staff_id in people if _needs_help(context, staff_id)][:MOST_FULL_CARDS]


def people_by_name(context: ReaderContext, people: Sequence[str]) -> list[str]:
    """The same people in the order of a Vietnamese list of names."""
    return sorted(people, key=lambda staff_id: (name_key(context.full_name(staff_id)), staff_id))


def people_title(context: ReaderContext) -> str:
    """The title of the full scorecards."""
    return context.t("Who needs attention most")


def teams_matrix(context: ReaderContext) -> Matrix | None:
    """Teams × KPIs: those below the reader, each above its own teams; None without any.

    With more than forty teams, those that are in no other one below the reader.
    """
    tree = _tree(context)
    if len(tree) > MOST_PEOPLE:
        tree = [each for each in tree if each[1] == 0]
    if not tree:
        return None
    rows = tuple(_row(context, ScopeMember("team", leader), depth) for leader, depth in tree)
    return Matrix(context.t("Teams: per cent of target attained"), context.t("Team"), _heads(context), rows,
                  _legend(context, rows), "")  # fmt: skip


def people_matrix(context: ReaderContext, people: Sequence[str]) -> Matrix:
    """People × KPIs: per cent of target attained. people: by need."""
    without = len(context.recipient.team) - len(people)
    note = context.n(
        "{n} more person below you has no scorecard in this period",
        "{n} more people below you have no scorecard in this period",
        without,
    )
    rows = tuple(_row(context, ScopeMember("own", staff_id), 0) for staff_id in people)
    return Matrix(context.t("Your people: per cent of target attained"), context.t("Person"), _heads(context), rows,
                  _legend(context, rows), note if without else "")  # fmt: skip


def _heads(context: ReaderContext) -> tuple[tuple[str, str], ...]:
    return tuple((context.choose(kpi.short_label), context.choose(kpi.label)) for kpi in kpis())


def _legend(context: ReaderContext, rows: Sequence[MatrixRow]) -> tuple[tuple[str, str, str, str], ...]:
    """The statuses that these rows have."""
    present = {cell.status for row in rows for cell in row.cells}
    return tuple(
        (status, sign, context.t(STATUS[status]), context.t(_MEANING[status]) if status in _MEANING else "")
        for status, sign in SIGNS.items()
        if status in present
    )


def _tree(context: ReaderContext) -> list[tuple[str, int]]:
    """The leaders below the reader whose team has a scorecard, each before those in their team; with their depth."""
    start = context.period.start
    leaders = [m for m in context.recipient.team if (ScopeMember("team", m), start) in context.facts.scores]
    above = {leader: _nearest(context, leader, leaders) for leader in leaders}
    order = sorted(leaders, key=lambda m: _need(context, ScopeMember("team", m)))

    def below(leader: str | None, depth: int) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for each in order:
            if above[each] == leader:
                found += [(each, depth), *below(each, depth + 1)]
        return found

    return below(None, 0)


def _nearest(context: ReaderContext, staff_id: str, leaders: Sequence[str]) -> str | None:
    """The nearest of the leaders above a person."""
    people, seen = context.facts.names.people, {staff_id}
    manager = people[staff_id].manager_id if staff_id in people else None
    while manager is not None and manager in people and manager not in seen:
        if manager in leaders:
            return manager
        seen.add(manager)
        manager = people[manager].manager_id
    return None


def _row(context: ReaderContext, member: ScopeMember, depth: int) -> MatrixRow:
    score = context.score(member)
    cells = []
    for kpi in kpis():
        line = context.line(member, kpi) or NO_LINE
        text = "" if line.attainment is None else attained(context, line).removesuffix("%")
        cells.append(Cell(text, SIGNS[line.status], line.status))
    # In the first days it would be the same for everybody, and the head of the mail says it.
    why = "" if score.is_rated or score.is_too_early else rating_text(context, score)
    return MatrixRow(member.staff_id or "", context.full_name(member.staff_id or ""), depth,
                     score.text(context.language), score.rating, why, tuple(cells))  # fmt: skip


def _need(context: ReaderContext, member: ScopeMember) -> tuple[object, ...]:
    """The order of need: points lost, the most first; who is not rated last."""
    is_rated = context.score(member).is_rated
    lines = (context.line(member, kpi) for kpi in kpis())
    lost = sum(line.shortfall for line in lines if line) if is_rated else 0.0
    name = context.full_name(member.staff_id or "")
    return (not is_rated, -lost, name_key(name), member.staff_id or "")


def _needs_help(context: ReaderContext, staff_id: str) -> bool:
    member = ScopeMember("own", staff_id)
    lines = (context.line(member, kpi) for kpi in kpis())
    return context.score(member).is_rated and any(line is not None and line.status == "off_target" for line in lines)
