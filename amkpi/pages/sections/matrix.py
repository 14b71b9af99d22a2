"""People and teams × KPIs: each cell is the attainment, and leads to the KPI's page."""

from __future__ import annotations

from collections.abc import Sequence

from amkpi.core.catalogue import kpis
from amkpi.pages.model import Figure, Link, Matrix, MatrixCell, MatrixRow, Subject, Text
from amkpi.pages.sections.context import PageContext, fill, slots
from amkpi.pages.sections.scorecard import status, title
from amkpi.scorecards.compose import kpi_table
from amkpi.scorecards.facts import ScopeMember

_IN_LEGEND = ("on_target", "at_risk", "off_target", "still_open", "no_target", "no_data")


def team_matrix(context: PageContext, leaders: Sequence[str]) -> Matrix:
    """Teams × KPIs. leaders: staff ids, in the order of the rows."""
    rows = [member_row(context, ScopeMember("team", staff_id)) for staff_id in leaders]
    return _matrix(context, context.t("Teams: per cent of target attained"), context.t("Team"), rows, ())


def people_matrix(context: PageContext, people: Sequence[str], without: int) -> Matrix:
    """People × KPIs. people: staff ids, in the order of the rows. without: how many more have no scorecard."""
    rows = [member_row(context, ScopeMember("own", staff_id)) for staff_id in people]
    note: Text = ()
    if without:
        note = fill(
            context.n(
                "{n} more person below you has no scorecard in this period",
                "{n} more people below you have no scorecard in this period",
                without,
                **slots("n"),
            ),
            n=Figure(context.figures.number(without), without, "page.people_without_scorecard"),
        )
    return _matrix(context, context.t("People: per cent of target attained"), context.t("Person"), rows, note)


def _matrix(context: PageContext, heading: str, member_label: str, rows: Sequence[MatrixRow], note: Text) -> Matrix:
    used = {cell.status.code for row in rows for cell in row.cells}
    return Matrix(
        title=heading,
        member_label=member_label,
        heads=tuple((context.choose(kpi.short_label), context.choose(kpi.label)) for kpi in kpis()),
        rows=tuple(rows),
        legend=tuple(
            (status(context, code), "") for code in (*_IN_LEGEND, *sorted(used - set(_IN_LEGEND))) if code in used
        ),
        note=note,
    )


def member_row(context: PageContext, member: ScopeMember) -> MatrixRow:
    """The row of a person or team."""
    score, name = context.facts.shown_score(member), title(context, member)
    href = context.member_href(member)
    person = context.facts.names.people.get(member.staff_id or "")
    cells = []
    for kpi in kpis():
        line = context.line(member, kpi) or kpi_table.NO_LINE
        text = kpi_table.attained(context, line) if line.attainment is not None else "–"
        cells.append(
            MatrixCell(
                subject=Subject(kpi=kpi.name),
                figure=Figure(text, line.attainment, "scorecard_lines.attainment"),
                status=status(context, line.status),
                href=context.kpi_href(kpi, member),
            )
        )
    return MatrixRow(
        subject=context.subject(member),
        name=(Link(name, href),) if href else name,
        sort=context.full_name(member.staff_id) if member.staff_id else "",
        role=context.role(person.role) if person and member.scope == "own" else "",
        score=Figure(score.text(context.language), score.number, "scorecards.weighted_score"),
        rating=score.rating,
        cells=tuple(cells),
    )
