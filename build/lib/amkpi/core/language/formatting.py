"""Numbers and dates as people of the agency read them, in Vietnamese or English."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

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
    return format_decimal(rounded, format="#,##0." + "0" * places if places else "#,##0", locale=language)


def percent(share: float, places: int, language: Language) -> str:
    """A share of 1 as per cent, without the sign. A float times 100 would make 102 of 1.025, where half up is 103."""
    return number(Decimal(repr(share)) * 100, places, language)


def money(value: float, currency: str, language: Language) -> str:
    """Money, shortened to millions or billions: `1,32 tỷ VND`; without a currency where that is empty.

    Two decimal places, or none for a whole number of the unit: `455 triệu VND`.
    """
    exact = Decimal(repr(value))
    step, text = next(((step, text) for step, text in _MONEY_STEPS if abs(exact) >= step), (Decimal(1), None))
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
    return Translator(language).t("12 months to {month}", month=format_skeleton("yMMMM", end, locale=language))


def change(value: float, unit: str, currency: str, language: Language) -> str:
    """The change of a KPI's value, with its sign: money, percentage points, or points of a score."""
    t, size = Translator(language).t, abs(value)
    if unit == "money":
        text = money(size, currency, language)
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

    def value_without_currency(self, value: float | None, unit: str) -> str:
        """The same for a narrow column, whose heading names the currency."""
        return kpi_value(value, unit, "", self.language)

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
