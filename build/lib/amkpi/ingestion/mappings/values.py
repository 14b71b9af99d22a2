"""Native dates and numbers of a source mapping: converted exactly to the form of the extract, or refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, localcontext
from functools import lru_cache

from amkpi.ingestion.contracts.extracts import Column

# Not calendar.month_name, which depends on the locale of the machine.
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_OFFSET = r"(?P<offset>[zZ]|[+-]\d\d(?::?\d\d)?)"
_MONTH_NAME = "(?P<month_name>" + "|".join(_MONTHS) + ")"
_MONTH_SHORT = "(?P<month_short>" + "|".join(name[:3] for name in _MONTHS) + ")"
_SPACE = "[ \u00a0\u202f]"

# For each token of a format: the part of the date that it gives, and its pattern.
_FRIENDLY = {
    "yyyy": ("year", r"(?P<year>\d{4})"),
    "uuuu": ("year", r"(?P<year>\d{4})"),
    "yy": ("year", r"(?P<short_year>\d\d)"),
    "MMMM": ("month", _MONTH_NAME),
    "MMM": ("month", _MONTH_SHORT),
    "MM": ("month", r"(?P<month>\d\d)"),
    "M": ("month", r"(?P<month>\d\d?)"),
    "dd": ("day", r"(?P<day>\d\d)"),
    "d": ("day", r"(?P<day>\d\d?)"),
    "HH": ("hour", r"(?P<hour>\d\d)"),
    "H": ("hour", r"(?P<hour>\d\d?)"),
    "hh": ("hour of the half day", r"(?P<half_hour>\d\d)"),
    "h": ("hour of the half day", r"(?P<half_hour>\d\d?)"),
    "mm": ("minute", r"(?P<minute>\d\d)"),
    "m": ("minute", r"(?P<minute>\d\d?)"),
    "ss": ("second", r"(?P<second>\d\d)"),
    "s": ("second", r"(?P<second>\d\d?)"),
    "a": ("half of the day", "(?P<half>[aApP][mM])"),
    **dict.fromkeys(("XXX", "XX", "X", "xxx", "xx", "x", "Z"), ("offset", _OFFSET)),
}
_STRPTIME = {
    "Y": _FRIENDLY["yyyy"],
    "y": _FRIENDLY["yy"],
    "B": _FRIENDLY["MMMM"],
    "b": _FRIENDLY["MMM"],
    "m": _FRIENDLY["M"],
    "d": _FRIENDLY["d"],
    "H": _FRIENDLY["H"],
    "I": _FRIENDLY["h"],
    "M": _FRIENDLY["m"],
    "S": _FRIENDLY["s"],
    "f": ("fraction", r"(?P<fraction>\d{1,9})"),
    "p": _FRIENDLY["a"],
    "z": _FRIENDLY["Z"],
}
_HINTS = {
    "Y": "the year is yyyy",
    "D": "the day is dd",
    "n": "minutes are mm",
    "t": "AM or PM is a",
    "A": "AM or PM is a",
    "p": "AM or PM is a",
}
_TOKEN = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|.", re.DOTALL)
_STRPTIME_TOKEN = re.compile(r"%.?|.", re.DOTALL)

# A number is read exactly, whatever its length; a longer text is not accepted as a number.
_LONGEST_NUMBER = 100
_CANONICAL_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_CANONICAL_DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}", re.ASCII)
_BOOLEANS = frozenset({"true", "t", "yes", "1", "false", "f", "no", "0"})


@dataclass(frozen=True)
class DateFormat:
    """How a native date is written. text: the format as written in the mapping."""

    text: str
    pattern: re.Pattern[str]

    def read(self, value: str, *, timestamp: bool) -> str | None:
        """The date as YYYY-MM-DD (as written, whatever its offset), or as an ISO timestamp.

        None if the value is not in the format, or is not a day of the calendar.
        """
        match = self.pattern.fullmatch(value)
        if match is None:
            return None
        part = match.groupdict()
        try:
            day = date(_year(part), _month(part), int(part["day"]))
            moment = time(_hour(part), int(part.get("minute") or 0), int(part.get("second") or 0))
        except ValueError:
            return None
        if not timestamp:
            return day.isoformat()
        fraction = (part.get("fraction") or "").rstrip("0")
        return f"{day.isoformat()}T{moment.isoformat()}{'.' + fraction if fraction else ''}{_offset(part)}"


def _year(part: dict[str, str | None]) -> int:
    if part.get("year"):
        return int(part["year"] or 0)
    short = int(part["short_year"] or 0)
    # Two digits as POSIX reads them: 69 to 99 belong to the last century.
    return short + (1900 if short >= 69 else 2000)


def _month(part: dict[str, str | None]) -> int:
    if part.get("month"):
        return int(part["month"] or 0)
    name = (part.get("month_name") or part.get("month_short") or "").lower()
    return 1 + next(number for number, month in enumerate(_MONTHS) if month.startswith(name))


def _hour(part: dict[str, str | None]) -> int:
    half, half_hour = part.get("half"), part.get("half_hour")
    if not half or not half_hour:
        return int(part.get("hour") or 0)
    if not 1 <= int(half_hour) <= 12:
        raise ValueError(f"not an hour from 1 to 12: {half_hour}")
    return int(half_hour) % 12 + (12 if half.lower() == "pm" else 0)


def _offset(part: dict[str, str | None]) -> str:
    offset = part.get("offset") or ""
    if offset in ("", "z", "Z"):
        return "+00:00" if offset else ""
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return f"{offset[0]}{digits[:2]}:{digits[2:]}"


@lru_cache(maxsize=256)
def date_format(text: str) -> DateFormat:
    """Read a format such as `dd/MM/yyyy HH:mm:ss`, `MM/dd/yyyy hh:mm:ss a` or `%d/%m/%Y`. Raises ValueError."""
    pattern = ""
    given: list[str] = []
    for part, piece in _strptime_pieces(text) if "%" in text else _friendly_pieces(text):
        if part in given:
            hint = "; minutes are mm, the month is MM" if part in ("month", "minute") and "%" not in text else ""
            raise ValueError(f"{text!r} gives the {part} twice{hint}")
        if part:
            given.append(part)
        pattern += piece
    missing = [part for part in ("year", "month", "day") if part not in given]
    if missing:
        hint = " (minutes are mm, the month is MM)" if "minute" in given and "%" not in text else ""
        raise ValueError(f"{text!r} lacks the {' and the '.join(missing)}{hint}: write it as dd/MM/yyyy or %d/%m/%Y")
    if ("hour of the half day" in given) != ("half of the day" in given):
        raise ValueError(
            f"{text!r}: the hours 1 to 12 (hh, %I) and AM or PM (a, %p) go together; 24 hours are HH or %H"
        )
    if "hour" in given and "hour of the half day" in given:
        raise ValueError(f"{text!r} gives the hour twice: HH is of 24 hours, hh of 12")
    return DateFormat(text, re.compile(pattern, re.ASCII | re.IGNORECASE))


def _friendly_pieces(text: str) -> list[tuple[str, str]]:
    pieces = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token.startswith("'") and len(token) > 1:
            pieces.append(("", re.escape(token[1:-1].replace("''", "'") or "'")))
        elif token in _FRIENDLY:
            pieces.append(_FRIENDLY[token])
        elif set(token) == {"S"}:
            pieces.append(("fraction", rf"(?P<fraction>\d{{{len(token)}}})"))
        elif token == "T" or not token.isalpha():
            pieces.append(_as_written(token))
        else:
            hint = _HINTS.get(token[0], f"put literal letters between quotes, as in '{token}'")
            raise ValueError(f"{text!r}: {token} is not part of a date format; {hint}")
    return pieces


def _strptime_pieces(text: str) -> list[tuple[str, str]]:
    pieces = []
    for match in _STRPTIME_TOKEN.finditer(text):
        token = match.group()
        if not token.startswith("%"):
            pieces.append(_as_written(token))
        elif token == "%%":
            pieces.append(("", "%"))
        elif token[1:] in _STRPTIME:
            pieces.append(_STRPTIME[token[1:]])
        else:
            known = " ".join(f"%{letter}" for letter in _STRPTIME)
            raise ValueError(f"{text!r}: {token} is not part of a date format; use {known}")
    return pieces


def _as_written(token: str) -> tuple[str, str]:
    return "", _SPACE if token == " " else re.escape(token)


@dataclass(frozen=True)
class NumberFormat:
    """How a native number is written, and its factor `scale`. thousands: the separator, or empty."""

    decimal: str = "."
    thousands: str = ""
    scale: Decimal = Decimal(1)

    def read(self, value: str) -> str | None:
        """The number as plain decimal text, exactly; None if it is not in this format (separators not in threes)."""
        if len(value) > _LONGEST_NUMBER or not _number_pattern(self.decimal, self.thousands).fullmatch(value):
            return None
        plain = re.sub(_SPACE, "", value) if self.thousands == " " else value.replace(self.thousands, "")
        # Enough precision for every digit: neither parsing nor multiplying rounds.
        with localcontext(prec=2 * _LONGEST_NUMBER + 10):
            number = Decimal(plain.replace(self.decimal, ".")) * self.scale
            text = format(number, "f")
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return "0" if number == 0 else text


@lru_cache(maxsize=64)
def _number_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    separator = _SPACE if thousands == " " else re.escape(thousands)
    whole = rf"(\d{{1,3}}({separator}\d{{3}})+|\d+)" if thousands else r"\d+"
    point = re.escape(decimal)
    return re.compile(rf"[+-]?({whole}({point}\d*)?|{point}\d+)([eE][+-]?\d{{1,2}})?", re.ASCII)


def refused(value: str, column: Column) -> str:
    """The text in place of a native value that is not in its format, which the row rules reject.

    It is the value as it arrived. If that could be read as a value of the extract (1.234, where the point separates
    thousands), a mark is added, because accepting it would be a guess.
    """
    would_read = {
        "number": _CANONICAL_NUMBER.fullmatch,
        "date": _CANONICAL_DAY.match,
        "timestamp": _CANONICAL_DAY.match,
    }
    reads = would_read.get(column.type)
    return f"{value} (not in the mapping's format)" if reads and reads(value.strip()) else value


def problem(value: str, column: Column) -> str | None:
    """Why a value written in a mapping is not a value of the column; None if it is one."""
    if column.choices and value not in column.choices:
        return f"{value!r} is not one of {', '.join(column.choices)}"
    if column.currency and not re.fullmatch("[A-Z]{3}", value):
        return f"{value!r} is not a currency: write three capital letters, such as USD"
    if column.type == "number" and not _CANONICAL_NUMBER.fullmatch(value):
        return f"{value!r} is not a number: write it with a point and without separators, such as 1234.5"
    if column.type == "boolean" and value.lower() not in _BOOLEANS:
        return f"{value!r} is neither true nor false"
    if column.type in ("date", "timestamp"):
        try:
            date.fromisoformat(value[:10] if column.type == "timestamp" else value)
        except ValueError:
            return f"{value!r} is not a date: write it as 2025-12-31"
        if not re.match(r"\d{4}-\d\d-\d\d", value):
            return f"{value!r} is not a date: write it as 2025-12-31"
    return None
