"""Targets, attainment, scorecard lines and scorecards. Source: page 2, "Score"."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from .contract import KPIS
from .records import Place, Value, number
from .settings import Settings
from .world import Period, Target, World, first_day, last_day, month_of

ZERO = Fraction(0)


@dataclass(frozen=True)
class Line:
    """A scorecard line's target, weight and attainment, exact."""

    target: Fraction | None
    weight: Fraction | None
    attainment: Fraction | None


def in_force(
    world: World, kpi: str, place: Place, grains: tuple[str | None, ...], role: str | None, day: date
) -> tuple[str | None, Target] | None:
    """The target in force on a day and its grain: for the person, then the role; each by the grains in order."""
    scope, person = place
    owners: list[tuple[str | None, str | None]] = [(None, None)]
    if scope != "company":
        owners = [(person, None)] + ([(None, role)] if role is not None else [])
    for staff_id, staff_role in owners:
        for grain in grains:
            history = world.targets.get((kpi, scope, grain, staff_id, staff_role), [])
            place_in = bisect_right(history, day, key=lambda target: target.valid_from) - 1
            if place_in >= 0:
                return grain, history[place_in]
    return None


def _share(first: date, last: date, close: date) -> Fraction:
    """The share of the days from first to last that lie on or before close."""
    if close < first:
        return ZERO
    return Fraction((min(last, close) - first).days + 1, (last - first).days + 1)


def target_of(world: World, kpi: str, place: Place, period: Period) -> tuple[Fraction | None, Fraction | None]:
    """The period's target and weight."""
    role = world.staff.last_account_role(place[1], period) if place[1] is not None else None
    found = in_force(world, kpi, place, (period.grain, None), role, period.start)
    if found is None:
        return None, None
    grain, row = found
    if kpi != "client_revenue":
        return row.target, row.weight
    if grain is not None:
        return row.target * _share(period.start, period.end, period.close), row.weight
    whole = ZERO
    for month in period.months:
        monthly = in_force(world, kpi, place, (None,), role, first_day(month))
        if monthly is None:
            return None, row.weight
        whole += monthly[1].target * _share(first_day(month), last_day(month), period.close)
    return whole, row.weight


def line_of(world: World, kpi: str, place: Place, period: Period, value: Fraction | None) -> Line:
    """The line: attainment where there are both a value and a target above 0."""
    target, weight = target_of(world, kpi, place, period)
    if value is None or target is None or target <= 0:
        return Line(target, weight, None)
    reached = 2 - value / target if kpi == "cost_to_budget_ratio" else value / target
    attainment = round(reached, 9)
    if attainment < world.settings.attainment_floor or attainment < 0:
        attainment = ZERO
    return Line(target, weight, min(attainment, world.settings.attainment_cap))


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
            line = line_of(world, kpi, place, period, value)
            earlier = starts.get((kpi, place, *before(period)))
            previous = earlier.value if earlier else None
            change = value - previous if value is not None and previous is not None else None
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
            if line.target is not None and line.target > 0 and line.weight is not None:
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
