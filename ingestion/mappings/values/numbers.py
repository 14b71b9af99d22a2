"""Native numbers of a source mapping: converted exactly to plain decimal text, or refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache

# A number is read exactly, whatever its length; a longer text is not accepted as a number.
_LONGEST_NUMBER = 100
# Spaces of all widths that programs write between thousands.
SPACES = " \u00a0\u2007\u2009\u202f"
_SPACE = f"[{SPACES}]"
# 450.000 is 450 in one country and 450 thousand in another.
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII)

# The signs of currencies that stand before or after an amount, each with the codes that it may mean.
CURRENCY_SIGNS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("₫", "đ", "Đ", "VNĐ", "vnđ", "vnd", "đồng"), ("VND",)),
    "US$": ("USD",),
    "S$": ("SGD",),
    "A$": ("AUD",),
    "$": ("USD", "SGD", "AUD", "CAD", "HKD", "NZD", "TWD", "MXN", "BND"),
    "€": ("EUR",),
    "£": ("GBP",),
    "¥": ("JPY", "CNY"),
    "฿": ("THB",),
    "₩": ("KRW",),
}
_SIGN = "|".join(re.escape(sign) for sign in sorted(CURRENCY_SIGNS, key=len, reverse=True))
_CURRENCY = rf"(?:{_SIGN}|[A-Z]{{3}})"


@dataclass(frozen=True)
class NumberFormat:
    """How a native number is written, and its factor `scale`.

    decimal: its decimal sign. thousands: the separators of thousands, one of which a number may have; empty for none.
    loose: whether it may be as people write it: a currency before or after it, (1.234) or 1.234- as negatives, %.
    """

    decimal: str = "."
    thousands: str = ""
    scale: Decimal = Decimal(1)
    loose: bool = False

    def read(self, value: str) -> str | None:
        """The number as plain decimal text, exactly; None if it is not in this format (separators not in threes)."""
        if len(value) > _LONGEST_NUMBER:
            return None
        plain, factor = _stripped(value) if self.loose else (value, Decimal(1))
        if plain is None or not _number_pattern(self.decimal, self.thousands).fullmatch(plain):
            return None
        for separator in self.thousands:
            plain = plain.replace(separator, "")
        # Enough precision for every digit: neither parsing nor multiplying rounds.
        with localcontext(prec=2 * _LONGEST_NUMBER + 10):
            number = Decimal(plain.replace(self.decimal, ".")) * self.scale * factor
            text = format(number, "f")
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return "0" if number == 0 else text

    def currencies(self, value: str) -> tuple[str, ...] | None:
        """The codes of the currencies that the sign or code beside the number may mean; None if there is none."""
        found = re.search(_CURRENCY, value) if self.loose else None
        return None if found is None else CURRENCY_SIGNS.get(found[0], (found[0],))


# What `number: …` may be. Thousands are also separated by spaces, because people write both.
PRESETS = {
    "vi": NumberFormat(",", "." + SPACES, loose=True),
    "en": NumberFormat(".", "," + SPACES, loose=True),
    "ch": NumberFormat(".", "'’" + SPACES, loose=True),
    "plain": NumberFormat(".", ""),
}


def _stripped(value: str) -> tuple[str | None, Decimal]:
    """The number without what people write around it, and the factor that this means (-1, 0.01); None if unclear."""
    text = value.strip().replace("\u2212", "-")
    factor = Decimal(1)
    if text.startswith("(") and text.endswith(")"):
        text, factor = text[1:-1].strip(), -factor
    before = re.match(rf"([+-]?){_SPACE}*{_CURRENCY}{_SPACE}*(?=[\d+.,(-])", text)
    if before:
        text = before[1] + text[before.end() :]
    after = re.search(rf"(?<=[\d.,)-]){_SPACE}*{_CURRENCY}$", text)
    if after:
        if before:
            return None, factor
        text = text[: after.start()]
    if text.endswith("%"):
        text, factor = text[:-1].rstrip(SPACES), factor / 100
    if text.startswith("(") and text.endswith(")"):
        text, factor = text[1:-1].strip(), -factor
    if text.endswith("-"):
        text, factor = text[:-1].rstrip(SPACES), -factor
    # A number has one sign: (-5) and -5- could mean anything.
    return (None, factor) if factor < 0 and text[:1] in ("+", "-") else (text, factor)


@lru_cache(maxsize=64)
def _number_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    # The same separator throughout: 1.234 567 is two numbers, or a slip.
    groups = rf"\d{{1,3}}(?:(?P<separator>[{re.escape(thousands)}])\d{{3}}(?:(?P=separator)\d{{3}})*)"
    whole = rf"(?:{groups}|\d+)" if thousands else r"\d+"
    point = re.escape(decimal)
    return re.compile(rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d{{1,2}})?", re.ASCII)


def is_ambiguous(value: str) -> bool:
    """Whether a text is one number with a point as decimal sign, and another with a point between thousands."""
    return _AMBIGUOUS.fullmatch(value) is not None
