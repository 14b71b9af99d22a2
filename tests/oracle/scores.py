"""Attainment, scorecard lines and scorecards. Source: page 2, "Score"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from .contract import KPIS
from .records import Place, Value, number
from .settings import Settings
from .targets import Targets
from .world import Period, World, first_day, month_of

ZERO = Fraction(0)


@dataclass(frozen=True)
class Line:
    """A scorecard line's target, weight and attainment, exact."""

    target: Fraction | None
    weight: Fraction | None
    attainment: Fraction | None


def line_of(
    targets: Targets, settings: Settings, kpi: str, place: Place, period: Period, value: Fraction | None
) -> Line:
    """The line: attainment where there are both a value and a target."""
    target, weight = targets.of(kpi, place, period)
    if value is None or target is None:
        return Line(target, weight, None)
    reached = 2 - value / target if kpi == "cost_to_budget_ratio" else value / target
    attainment = round(reached, 9)
    if attainment < settings.attainment_floor or attainment < 0:
        attainment = ZERO
    return Line(target, weight, min(attainment, settings.attainment_cap))


def status_of(value: Fraction | None, line: Line) -> str:
    """The line's status."""
    if value is None:
        return "no_data"
    if line.attainment is None:
        return "no_target"
    if line.attainment >= 1:
        return "on_target"
    return "at_risk" if line.attainment >= Fraction(9, 10) else "off_target"


def rating_of(weighted: Fraction | None, covered: Fraction | None, settings: Settings) -> str | None:
    """The rating of a score rounded to 9 decimals (half even), then half up to one; None: not rated."""
    if weighted is None or covered is None or covered < settings.min_weight_covered:
        return None
    rounded = round(weighted, 9)
    tenths = Decimal(rounded.numerator) / Decimal(rounded.denominator)
    score = Fraction(tenths.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP))
    for label, bound in settings.rating_bands:
        if score >= bound:
            return label
    return settings.lowest_rating


def before(period: Period) -> tuple[str, date]:
    """Grain and start of the period of the same grain before (trailing_12m: that of a month before)."""
    step = 1 if period.grain == "trailing_12m" else len(period.months)
    return period.grain, first_day(month_of(period.start) - step)


def score_rows(
    world: World, values: Mapping[tuple[str, Place, Period], Value]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """`scorecards` and `scorecard_lines`."""
    starts = {(kpi, place, period.grain, period.start): value for (kpi, place, period), value in values.items()}
    targets = Targets(world)
    cards: list[dict[str, object]] = []
    lines: list[dict[str, object]] = []
    for place, period in dict.fromkeys((place, period) for _, place, period in values):
        weights = scored = points = ZERO
        count = 0
        common: dict[str, object] = {
            "scope": place[0],
            "staff_id": place[1],
            "period_grain": period.grain,
            "period_start": period.start,
        }
        for kpi in KPIS:
            value = values[kpi, place, period].value
            line = line_of(targets, world.settings, kpi, place, period, value)
            earlier = starts.get((kpi, place, *before(period)))
            previous = earlier.value if earlier else None
            change = value - previous if value is not None and previous is not None else None
            if period.end > world.as_of and period.grain != "trailing_12m":
                change = None
            lines.append(
                {
                    **common,
                    "kpi": kpi,
                    "value": number(value),
                    "target": number(line.target),
                    "attainment": number(line.attainment),
                    "weight": number(line.weight),
                    "previous_value": number(previous),
                    "change": number(change),
                    "status": status_of(value, line),
                }
            )
            if line.target is not None and line.weight is not None:
                weights += line.weight
                if line.attainment is not None:
                    count += 1
                    scored += line.weight
                    points += line.weight * line.attainment
        weighted = 100 * points / scored if scored else None
        covered = scored / weights if weights else None
        cards.append(
            {
                **common,
                "period_end": period.end,
                "weighted_score": number(weighted),
                "rating": rating_of(weighted, covered, world.settings),
                "weight_covered": number(covered),
                "kpis_scored": count,
                "is_provisional": period.end > world.as_of,
            }
        )
    return cards, lines
