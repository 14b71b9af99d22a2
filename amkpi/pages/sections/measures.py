"""The supporting measures of a KPI: shown with it, and never scored."""

from __future__ import annotations

from amkpi.core.catalogue import Kpi, Measure, measures
from amkpi.pages.facts import MeasureValue
from amkpi.pages.model import Figure, Note, Subject, Table, Text
from amkpi.pages.sections.context import PageContext, fill, slots
from amkpi.scorecards.facts import ScopeMember


def measure_tables(context: PageContext, kpi: Kpi, member: ScopeMember) -> list[Table]:
    """The table of the supporting measures; none for a KPI without any."""
    found = [
        (measure, value)
        for measure in measures()
        if measure.kpi == kpi.name and (value := context.measures.get((member, measure.name))) is not None
    ]
    if not found:
        return []
    t = context.t
    return [
        Table(
            title=t("Shown with it, never scored"),
            name="measures",
            heads=(t("Measure"), t("Value"), t("Computed from")),
            kinds=("text", "number", "number"),
            rows=tuple(
                (
                    (context.choose(measure.label), " ", Note(context.choose(measure.definition))),
                    _value(context, measure, value),
                    _origin(context, value),
                )
                for measure, value in found
            ),
            subjects=tuple(Subject(detail=measure.name) for measure, _ in found),
        )
    ]


def _value(context: PageContext, measure: Measure, found: MeasureValue) -> Text:
    of = "supporting_measures.value"
    if found.value is None or measure.unit not in ("count", "days"):
        return (Figure(context.figures.value(found.value, measure.unit), found.value, of),)
    figure = _number(context, found.value, of)
    if measure.unit == "count":
        return (figure,)
    return fill(context.n("{n} day", "{n} days", 1 if found.value == 1 else 2, **slots("n")), n=figure)


def _origin(context: PageContext, found: MeasureValue) -> Text:
    """Of a quotient its numerator and denominator; of a median how many it is of; nothing for sums and counts."""
    if found.denominator is None:
        return ()
    whole = _number(context, found.denominator, "supporting_measures.denominator")
    if found.numerator is None:
        return ("n = ", whole)
    return (_number(context, found.numerator, "supporting_measures.numerator"), " / ", whole)


def _number(context: PageContext, number: float, of: str) -> Figure:
    """A count without decimals, a sum of scores or a median with one."""
    return Figure(context.figures.number(number, 0 if number == round(number) else 1), number, of)
