"""Numbers and dates as people of the agency read them, in Vietnamese or English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from functools import lru_cache

from babel.dates import format_skeleton
from babel.numbers import format_decimal, get_currency_symbol

from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Message, Translator

# Babel's compact form stops at billions in Vietnamese and rounds half to even: money is scaled here.
_MONEY_STEPS = ((Decimal(10) ** 9, Message("{amount} bn")), (Decimal(10) ** 6, Message("{amount} m")))


def number(value: float | Decimal, places: int, language: Language) -> str:
    """The number with that many places, half up, in the language's signs."""
    step = Decimal(1).scaleb(-places)
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    rounded = exact.quantize(step, ROUND_HALF_UP) if abs(exact) < 10**15 else exact.to_integral_value()
    return _formatted(rounded, places, language)


@lru_cache(maxsize=65536)
def _formatted(rounded: Decimal, places: int, language: Language) -> str:
    """A rounded number in the language's signs. Babel takes 0.3 ms for it, and a page has hundreds of numbers."""
    return format_decimal(rounded, format="#,##0." + "0" * places if places else "#,##0", locale=language)


def percent(share: float, places: int, language: Language) -> str:
    """A share of 1 as per cent, without the sign. A float times 100 would make 102 of 1.025, where half up is 103."""
    return number(Decimal(repr(share)) * 100, places, language)


def percent_below(share: float, edges: Iterable[float], language: Language, places: int = 0) -> str:
    """A share of 1 as per cent, without the sign; with one more place where rounding would reach an edge.

    edges: shares from which something else holds. 0.9995 is below 1, so it is shown as 99.9 and not as 100.
    """
    exact, step = 100 * Decimal(repr(share)), Decimal(1).scaleb(-places)
    for edge in (100 * Decimal(repr(each)) for each in edges):
        if edge - step / 2 <= exact < edge:
            return number(min(exact, edge - step / 10), places + 1, language)
    return number(exact, places, language)


def score(value: float, language: Language, rating: str | None = None, bands: Mapping[str, float] | None = None) -> str:
    """A weighted score with one place, rounded as its rating is: to 9 places, then half up.

    bands: the lowest score of each rating. A score that was rated by another rounding is shown as the nearest figure
    of its own band: 79.96 with the rating below 80 as 79.9.
    """
    tenth = Decimal("0.1")
    exact = Decimal(repr(round(value, 9)))
    shown = exact.quantize(tenth, ROUND_HALF_UP)
    limits = {name: Decimal(repr(least)) for name, least in (bands or {}).items()}
    if rating in limits:
        own = limits[rating]
        above = min((least for least in limits.values() if least > own), default=None)
        inside = max(shown, own.quantize(tenth, ROUND_CEILING))
        if above is not None:
            inside = min(inside, above.quantize(tenth, ROUND_CEILING) - tenth)
        # A greater distance is another rule, not another rounding.
        if abs(inside - exact) < tenth:
            shown = inside
    return number(shown, 1, language)


def money_unit(*amounts: float | None) -> Decimal:
    """The unit, 1, a million or a billion, in which all these amounts are shown, so that readers can compare them.

    It is the unit of the largest; that of the smallest where two places of the largest's would not show it.
    """
    sizes = [abs(Decimal(repr(amount))) for amount in amounts if amount]
    if not sizes:
        return Decimal(1)
    largest, smallest = (
        next((step for step, _ in _MONEY_STEPS if size >= step), Decimal(1)) for size in (max(sizes), min(sizes))
    )
    return largest if min(sizes) >= largest / 10 else smallest


def money(value: float, currency: str, language: Language, unit: Decimal | None = None) -> str:
    """Money, shortened to millions or billions: `1,32 tỷ VND`; without a currency where that is empty.

    Two decimal places, or none for a whole number of the unit: `455 triệu VND`. unit: from `money_unit`; that of the
    amount itself without one.
    """
    exact = Decimal(repr(value))
    step = money_unit(value) if unit is None else unit
    text = dict(_MONEY_STEPS).get(step)
    scaled = exact / step
    places = 0 if scaled == scaled.to_integral_value() else 2
    amount = number(scaled, places, language)
    if text is not None:
        amount = Translator(language).t(text, amount=amount)
    return f"{amount} {currency}" if currency else amount


def kpi_value(value: float | None, unit: str, currency: str, language: Language) -> str:
    """A KPI's value in its unit: money, per cent with one place, or a score with one place; a dash for none."""
    if value is None:
        return "–"
    if unit == "money":
        return money(value, currency, language)
    if unit == "ratio":
        return f"{percent(value, 1, language)}%"
    return number(value, 1, language)


def size(value: int, language: Language) -> str:
    """Bytes in the largest decimal unit that they fill: `3.1 GB`, `3,1 GB`."""
    unit, name = next(((10**n, name) for n, name in ((12, "TB"), (9, "GB"), (6, "MB")) if value >= 10**n), (1000, "kB"))
    return f"{number(Decimal(value) / unit, 1, language)} {name}"


def day(value: date) -> str:
    """A date as the agency writes it: dd/mm/yyyy."""
    return f"{value:%d/%m/%Y}"


def day_and_month(value: date) -> str:
    """A date of a year that the reader knows: dd/mm."""
    return f"{value:%d/%m}"


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
    return Translator(language).t("12 months to {month}", month=format_skeleton("yMMMM", end, locale=language))


def change(value: float, unit: str, currency: str, language: Language, scale: Decimal | None = None) -> str:
    """The change of a KPI's value, with its sign: money, percentage points, or points of a score.

    scale: of money, from `money_unit`.
    """
    t, size = Translator(language).t, abs(value)
    if unit == "money":
        text = money(size, currency, language, scale)
    elif unit == "ratio":
        text = t("{n} percentage points", n=percent(size, 1, language))
    else:
        text = t("{n} points", n=number(size, 1, language))
    # A change that rounds to zero has no sign.
    return text if is_zero(text) else f"{'+' if value > 0 else '−'}{text}"


def is_zero(text: str) -> bool:
    """Whether a formatted amount shows no digit but zeros."""
    return not any(digit in "123456789" for digit in text)


@dataclass(frozen=True)
class Formatter:
    """Formats figures for one reader. currency: the sign or code that follows money."""

    language: Language
    currency: str

    @classmethod
    def with_symbol(cls, language: Language, currency: str) -> Formatter:
        """A formatter that shows the symbol of a currency code: ₫ for VND."""
        return cls(language, get_currency_symbol(currency, locale=language))

    def value(self, value: float | None, unit: str) -> str:
        """A KPI's value with its unit."""
        return kpi_value(value, unit, self.currency, self.language)

    def pair(self, one: float | None, other: float | None, unit: str) -> tuple[str, str]:
        """Two values that a reader compares: money in one unit."""
        first, second = self.in_one_unit((one, other), unit)
        return first, second

    def in_one_unit(self, values: Sequence[float | None], unit: str) -> tuple[str, ...]:
        """Values that a reader compares: money in one unit; a dash for none."""
        if unit != "money":
            return tuple(self.value(each, unit) for each in values)
        scale = money_unit(*values)
        return tuple("–" if each is None else money(each, self.currency, self.language, scale) for each in values)

    def value_without_currency(self, value: float | None, unit: str, scale: Decimal | None = None) -> str:
        """The same for a narrow column, whose heading names the currency. scale: of money, from `money_unit`."""
        if value is None or unit != "money":
            return kpi_value(value, unit, "", self.language)
        return money(value, "", self.language, scale)

    def size_of_change(self, size: float, unit: str) -> str:
        """The size of a change in the KPI's own unit, without a sign and in few words: `2.5 pp`."""
        t = Translator(self.language).t
        if unit == "money":
            return self.value(size, unit)
        if unit == "ratio":
            return t("{n} pp", n=percent(size, 1, self.language))
        return t("{n} points", n=self.number(size, 1))

    def percent(self, share: float | None, places: int = 0) -> str:
        """A share of 1 as per cent; a dash for none."""
        return "–" if share is None else f"{percent(share, places, self.language)}%"

    def number(self, value: float | None, places: int = 0) -> str:
        """A number; a dash for none."""
        return "–" if value is None else number(value, places, self.language)
