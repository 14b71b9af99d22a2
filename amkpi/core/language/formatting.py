"""Numbers and dates as people of the agency read them, in Vietnamese or English."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from babel.dates import format_skeleton
from babel.numbers import format_decimal

from amkpi.core.catalogue import Language

# Babel's compact form stops at billions in Vietnamese and rounds half to even: money is scaled here.
_MONEY_STEPS: dict[Language, tuple[tuple[Decimal, str], ...]] = {
    "vi": ((Decimal(10) ** 9, "tỷ"), (Decimal(10) ** 6, "triệu")),
    "en": ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "m")),
}


def number(value: float | Decimal, places: int, language: Language) -> str:
    """The number with that many places, half up, in the language's signs."""
    step = Decimal(1).scaleb(-places)
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    rounded = exact.quantize(step, ROUND_HALF_UP) if abs(exact) < 10**15 else exact.to_integral_value()
    return format_decimal(rounded, format="#,##0." + "0" * places if places else "#,##0", locale=language)


def percent(share: float, places: int, language: Language) -> str:
    """A share of 1 as per cent, without the sign. A float times 100 would make 102 of 1.025, where half up is 103."""
    return number(Decimal(repr(share)) * 100, places, language)


def money(value: float, currency: str, language: Language) -> str:
    """Money, shortened to millions or billions: `1,32 tỷ VND`; without a currency where a heading names it.

    Two places, or none where there is nothing after the point: `455 triệu VND` is just that.
    """
    exact = Decimal(repr(value))
    step, name = next(((step, name) for step, name in _MONEY_STEPS[language] if abs(exact) >= step), (Decimal(1), ""))
    scaled = exact / step
    places = 0 if scaled == scaled.to_integral_value() else 2
    return " ".join(part for part in (number(scaled, places, language), name, currency) if part)


def kpi_value(value: float | None, unit: str, currency: str, language: Language) -> str:
    """A KPI's value in its unit: money, per cent with one place, or a score with one place; a dash for none."""
    if value is None:
        return "–"
    if unit == "money":
        return money(value, currency, language)
    if unit == "ratio":
        return f"{percent(value, 1, language)}%"
    return number(value, 1, language)


def day(value: date) -> str:
    """A date as the agency writes it: dd/mm/yyyy."""
    return f"{value:%d/%m/%Y}"


def short_month(start: date, language: Language) -> str:
    """A month's name for a narrow column."""
    return format_skeleton("yMMM", start, locale=language)


def period(grain: str, start: date, end: date, language: Language) -> str:
    """A period's name: month and year, quarter, year, or the trailing twelve months that end with a month."""
    if grain == "month":
        return format_skeleton("yMMMM", start, locale=language)
    if grain == "quarter":
        return f"Q{(start.month + 2) // 3}/{start.year}"
    if grain == "year":
        return str(start.year)
    ending = format_skeleton("yMMMM", end, locale=language)
    return f"12 tháng đến {ending}" if language == "vi" else f"12 months to {ending}"


def change(value: float, unit: str, currency: str, language: Language) -> str:
    """By how much a KPI's value moved, with its sign: money, percentage points, or points of a score."""
    if unit == "money":
        text = money(abs(value), currency, language)
    else:
        text = percent(abs(value), 1, language) if unit == "ratio" else number(abs(value), 1, language)
    # What rounds to nothing has no sign.
    sign = ("+" if value > 0 else "−") if any(digit in "123456789" for digit in text) else ""
    words = {"vi": ("điểm phần trăm", "điểm"), "en": ("percentage points", "points")}[language]
    return sign + text if unit == "money" else f"{sign}{text} {words[0] if unit == 'ratio' else words[1]}"
