"""The geometry of the charts: scores of twelve periods with the bands of the ratings, and the trend of a KPI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amkpi.core.catalogue import Kpi
from amkpi.core.language import formatting
from amkpi.core.language.periods import Period
from amkpi.pages.facts import PERIODS_SHOWN
from amkpi.pages.model import Band, Chart, Figure, Mark
from amkpi.pages.sections.context import PageContext
from amkpi.scorecards.facts import ScopeMember

_WIDTH, _HEIGHT = 640, 232
_TOP, _FLOOR, _LEFT, _RIGHT = 24, 204, 8, 588
# Of a value above its dot, or below it where the line is higher on both sides.
_ABOVE, _BELOW = -11.0, 22.0
_SMALL_WIDTH, _SMALL_HEIGHT, _MARGIN = 200, 48, 6


def score_chart(context: PageContext, member: ScopeMember) -> Chart:
    """The weighted score of twelve periods in front of the bands of the ratings."""
    periods = context.period.last(PERIODS_SHOWN)
    scores = [context.facts.shown_score(member, period) for period in periods]
    rules = context.facts.rules
    numbers = [score.number for score in scores if score.number is not None]
    top = max([max(rules.bands.values(), default=100.0) + 10.0, *numbers])
    low = min([min((least for least in rules.bands.values() if least > 0), default=15.0) - 15.0, *numbers])

    def height(number: float) -> float:
        return round(_FLOOR - (_FLOOR - _TOP) * (number - low) / (top - low), 1)

    marks = []
    for place, (period, score) in enumerate(zip(periods, scores, strict=True)):
        y = None if score.number is None else height(score.number)
        figure = Figure(score.text(context.language), score.number, "scorecards.weighted_score")
        marks.append(_mark(context, period, _x(place, _LEFT, _RIGHT), y, figure, score.rating))
    edges = sorted(rules.bands.items(), key=lambda each: -each[1])
    bands, above = [], top
    for name, least in edges:
        bands.append(Band(name, height(above), round(height(max(least, low)) - height(above), 1)))
        above = max(least, low)
    return Chart(
        _WIDTH, _HEIGHT,
        title=context.t("Weighted score over twelve periods"),
        text="; ".join(f"{mark.name} {mark.value.text} {mark.note}".strip() for mark in marks),
        marks=_with_labels(marks),
        lines=_lines([(mark.x, mark.y) for mark in marks]),
        target=(),
        bands=tuple(bands),
    )  # fmt: skip


def trend_chart(context: PageContext, member: ScopeMember, kpi: Kpi) -> Chart:
    """The value of a KPI over twelve periods, with the target of each."""
    periods = context.period.last(PERIODS_SHOWN)
    values = [context.value(member, kpi, period) for period in periods]
    lines = [context.facts.lines.get((member, kpi.name, period.start)) for period in periods]
    numbers = [value.value if value else None for value in values]
    targets = [line.target if line else None for line in lines]
    known = [each for each in (*numbers, *targets) if each is not None]
    top, low = max(known, default=1.0), min(known, default=0.0)
    room = (top - low) or 1.0
    unit = formatting.money_unit(*numbers) if kpi.unit == "money" else None

    def shown(number: float | None) -> str:
        if number is None or unit is None:
            return context.figures.value(number, kpi.unit)
        return formatting.money(number, "", context.language, unit)

    def height(number: float | None) -> float | None:
        if number is None:
            return None
        return round(_SMALL_HEIGHT - _MARGIN - (_SMALL_HEIGHT - 2 * _MARGIN) * (number - low) / room, 1)

    marks = [
        _mark(
            context, period, _x(place, _MARGIN, _SMALL_WIDTH - _MARGIN), height(number),
            Figure(shown(number), number, "kpi_values.value"), "",
        )
        for place, (period, number) in enumerate(zip(periods, numbers, strict=True))
    ]  # fmt: skip
    return Chart(
        _SMALL_WIDTH, _SMALL_HEIGHT,
        title=context.t("{kpi}: twelve periods", kpi=context.choose(kpi.label)),
        text="; ".join(f"{mark.name} {mark.value.text}" for mark in marks),
        marks=tuple(marks),
        lines=_lines([(mark.x, mark.y) for mark in marks]),
        target=_lines([(mark.x, height(target)) for mark, target in zip(marks, targets, strict=True)]),
        bands=(),
    )  # fmt: skip


def _x(place: int, left: float, right: float) -> float:
    """The middle of a period's slot, where the slots reach from left to right."""
    return round(left + (right - left) * (place + 0.5) / PERIODS_SHOWN, 1)


def _mark(context: PageContext, period: Period, x: float, y: float | None, figure: Figure, note: str) -> Mark:
    return Mark(
        x=x,
        y=y,
        start=period.start,
        name=period.axis(context.language),
        value=figure,
        note=note,
        is_last=period == context.period,
        is_provisional=period.end > context.facts.publication.as_of,
    )


def _with_labels(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """The marks with the place of each value: where the line does not cross it."""
    found = []
    for place, mark in enumerate(marks):
        around = [each.y for each in marks[max(0, place - 1) : place + 2] if each is not mark and each.y is not None]
        if mark.y is not None:
            is_low = bool(around) and all(y < mark.y for y in around) and mark.y < _FLOOR - 12
            found.append(replace(mark, label_y=round(mark.y + (_BELOW if is_low else _ABOVE), 1)))
        else:
            found.append(mark)
    return tuple(found)


def _lines(points: Sequence[tuple[float, float | None]]) -> tuple[str, ...]:
    """The points of polylines: a new one after each point without a place. A single point is a short line."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append((x, y))
    drawn = [piece if len(piece) > 1 else [(piece[0][0] - 5, piece[0][1]), (piece[0][0] + 5, piece[0][1])]
             for piece in pieces if piece]  # fmt: skip
    return tuple(" ".join(f"{round(x, 1)},{y}" for x, y in piece) for piece in drawn)
