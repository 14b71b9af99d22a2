"""Native dates of a source mapping: converted exactly to the form of the extract, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache

# Not calendar.month_name, which depends on the locale of the machine.
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_OFFSET = r"(?P<offset>[zZ]|[+-]\d\d?(?::?\d\d)?)"
_MONTH_NAME = "(?P<month_name>" + "|".join(_MONTHS) + ")"
_MONTH_SHORT = "(?P<month_short>" + "|".join(name[:3] for name in _MONTHS) + ")"
# SA (sáng) and CH (chiều) are AM and PM in Vietnamese.
_HALF = r"(?P<half>[aApP]\.?[mM]\.?|[sS][aA]|[cC][hH])"
_SPACE = "[ \u00a0\u202f]"

# For each token of a format: the part of the date that it gives, its pattern, and how strftime writes it.
_Token = tuple[str, str, str]
_FRIENDLY: dict[str, _Token] = {
    "yyyy": ("year", r"(?P<year>\d{4})", "%Y"),
    "uuuu": ("year", r"(?P<year>\d{4})", "%Y"),
    "yy": ("year", r"(?P<short_year>\d\d)", "%y"),
    "MMMM": ("month", _MONTH_NAME, "%B"),
    "MMM": ("month", _MONTH_SHORT, "%b"),
    "MM": ("month", r"(?P<month>\d\d)", "%m"),
    "M": ("month", r"(?P<month>\d\d?)", "%m"),
    "dd": ("day", r"(?P<day>\d\d)", "%d"),
    "d": ("day", r"(?P<day>\d\d?)", "%d"),
    "HH": ("hour", r"(?P<hour>\d\d)", "%H"),
    "H": ("hour", r"(?P<hour>\d\d?)", "%H"),
    "hh": ("hour of the half day", r"(?P<half_hour>\d\d)", "%I"),
    "h": ("hour of the half day", r"(?P<half_hour>\d\d?)", "%I"),
    "mm": ("minute", r"(?P<minute>\d\d)", "%M"),
    "m": ("minute", r"(?P<minute>\d\d?)", "%M"),
    "ss": ("second", r"(?P<second>\d\d)", "%S"),
    "s": ("second", r"(?P<second>\d\d?)", "%S"),
    "a": ("half of the day", _HALF, "AM"),
    **dict.fromkeys(("XXX", "XX", "X", "xxx", "xx", "x", "Z"), ("offset", _OFFSET, "+00:00")),
}
_STRPTIME: dict[str, _Token] = {
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
    "f": ("fraction", r"(?P<fraction>\d{1,9})", "0"),
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

_ISO = (
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)? ?" + _OFFSET + "?)?"
)
# Day 60 of a workbook is 29/02/1900, which never was; no agency has dates of that year.
_EXCEL_EPOCH = datetime.fromisoformat("1899-12-30")
_DAYS_TO_1904 = 1462
_EXCEL_SERIAL = re.compile(r"(\d{5})(\.\d+)?", re.ASCII)
_EPOCH_SECONDS = re.compile(r"-?\d{9,10}(\.\d+)?", re.ASCII)
# A program that writes numbers as floats writes 1709226000000.0; a fraction of a millisecond is no moment.
_EPOCH_MILLISECONDS = re.compile(r"(-?\d{12,13})(?:\.0+)?", re.ASCII)

# Two days that differ in day and month, for formats that read the same text as different days.
_PROBES = (datetime.fromisoformat("2024-03-04T09:05:07"), datetime.fromisoformat("2011-10-12T09:05:07"))


@dataclass(frozen=True)
class Moment:
    """A native date or moment. at: without an offset, as written; offset: as written, None if there is none.

    fraction: the digits of the second's fraction. is_day: whether no time of the day was written.
    """

    at: datetime
    offset: timedelta | None = None
    fraction: str = ""
    is_day: bool = False

    def day(self, local: tzinfo | None) -> date:
        """The day: in the zone `local` if that is given and the moment has an offset, else as written."""
        if local is None or self.offset is None:
            return self.at.date()
        return self.at.replace(tzinfo=timezone(self.offset)).astimezone(local).date()

    def timestamp(self) -> str:
        """The moment as an ISO timestamp, with its offset if it has one."""
        digits = self.fraction.rstrip("0")
        return f"{self.at.isoformat()}{'.' + digits if digits else ''}{_written_offset(self.offset)}"


@dataclass(frozen=True)
class DateFormat:
    """One way of writing a date. text: as in the mapping; has_offset: whether a moment of it is a point in time.

    example: text of this format for a moment, to compare formats with each other; None for presets.
    """

    text: str
    read: Callable[[str], Moment | None]
    has_offset: bool
    example: Callable[[datetime], str] | None = None


@dataclass(frozen=True)
class DateReader:
    """The formats of one column, tried in their order.

    local: the zone in which a moment with an offset gives the day; None for the day as written. written_in: the zone of
    moments without an offset; None if they have none.
    """

    formats: tuple[DateFormat, ...]
    local: tzinfo | None = None
    written_in: tzinfo | None = None

    def read(self, value: str, *, timestamp: bool) -> str | None:
        """The date as YYYY-MM-DD, or as an ISO timestamp.

        None if the value is in no format, or is not a day of the calendar.
        """
        for form in self.formats:
            moment = form.read(value)
            if moment is None:
                continue
            if moment.offset is None and not moment.is_day and self.written_in is not None:
                moment = replace(moment, offset=moment.at.replace(tzinfo=self.written_in).utcoffset())
            try:
                return moment.timestamp() if timestamp else moment.day(self.local).isoformat()
            except OverflowError:
                return None
        return None


def _written_offset(offset: timedelta | None) -> str:
    if offset is None:
        return ""
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def date_formats(texts: Sequence[str]) -> tuple[DateFormat, ...]:
    """The formats of a mapping. Raises ValueError for an unknown one, or two that read one text as different days."""
    if not texts:
        raise ValueError("is empty: write a format such as dd/MM/yyyy")
    formats = tuple(date_format(text) for text in texts)
    for place, first in enumerate(formats):
        for second in formats[place + 1 :]:
            written = _contested(first, second) or _contested(second, first)
            if written:
                raise ValueError(
                    f"{first.text!r} and {second.text!r} read {written} as different days: keep one of them"
                )
    return formats


def _contested(writer: DateFormat, reader: DateFormat) -> str | None:
    """A text that both formats read, as different days; None if there is none."""
    for probe in _PROBES:
        text = writer.example(probe) if writer.example else ""
        read = reader.read(text)
        if read is not None and read.at.date() != probe.date():
            return text
    return None


@lru_cache(maxsize=256)
def date_format(text: str) -> DateFormat:
    """Read a format: `dd/MM/yyyy HH:mm:ss`, `MM/dd/yyyy hh:mm:ss a`, `%d/%m/%Y`, or a preset.

    Presets: `iso` (2024-03-05, also with a time and an offset), `excel` (the serial number of a day, 45356), `epoch`
    and `epoch_ms` (seconds and milliseconds since 1970, UTC). Raises ValueError.
    """
    if text in _PRESETS:
        return _PRESETS[text]
    pattern = ""
    strftime = ""
    given: list[str] = []
    for part, piece, written in _strptime_pieces(text) if "%" in text else _friendly_pieces(text):
        if part in given:
            hint = "; minutes are mm, the month is MM" if part in ("month", "minute") and "%" not in text else ""
            raise ValueError(f"{text!r} gives the {part} twice{hint}")
        if part:
            given.append(part)
        pattern += piece
        strftime += written
    missing = [part for part in ("year", "month", "day") if part not in given]
    if missing:
        hint = " (minutes are mm, the month is MM)" if "minute" in given and "%" not in text else ""
        raise ValueError(
            f"{text!r} lacks the {' and the '.join(missing)}{hint}: write it as dd/MM/yyyy or %d/%m/%Y, or one of"
            f" {', '.join(_PRESETS)}"
        )
    if ("hour of the half day" in given) != ("half of the day" in given):
        raise ValueError(
            f"{text!r}: the hours 1 to 12 (hh, %I) and AM or PM (a, %p) go together; 24 hours are HH or %H"
        )
    if "hour" in given and "hour of the half day" in given:
        raise ValueError(f"{text!r} gives the hour twice: HH is of 24 hours, hh of 12")
    compiled = re.compile(pattern, re.ASCII | re.IGNORECASE)
    return DateFormat(
        text, lambda value: _matched(compiled, value), "offset" in given, lambda at: at.strftime(strftime)
    )


def _matched(pattern: re.Pattern[str], value: str) -> Moment | None:
    match = pattern.fullmatch(value)
    if match is None:
        return None
    part = match.groupdict()
    try:
        day = date(_year(part), _month(part), int(part["day"]))
        moment = time(_hour(part), int(part.get("minute") or 0), int(part.get("second") or 0))
        is_day = not (part.get("hour") or part.get("half_hour"))
        return Moment(datetime.combine(day, moment), _offset(part), part.get("fraction") or "", is_day)
    except ValueError:
        return None


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
    return int(half_hour) % 12 + (12 if half[0].lower() in "pc" else 0)


def _offset(part: dict[str, str | None]) -> timedelta | None:
    offset = part.get("offset") or ""
    if not offset:
        return None
    if offset in "zZ":
        return timedelta()
    hours, _, minutes = offset[1:].partition(":")
    if len(hours) > 2:
        hours, minutes = hours[:-2], hours[-2:]
    distance = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if distance >= timedelta(hours=24):
        raise ValueError(f"not an offset: {offset}")
    return -distance if offset[0] == "-" else distance


def _excel(value: str) -> Moment | None:
    match = _EXCEL_SERIAL.fullmatch(value)
    if match is None:
        return None
    seconds = round(float(match[2] or 0) * 86_400)
    return Moment(_EXCEL_EPOCH + timedelta(days=int(match[1]), seconds=seconds))


def serial_of_1900(value: str) -> str:
    """The serial number of a day in a workbook that counts from 1904, as one that counts from 1900.

    Any other text is returned as it is.
    """
    match = _EXCEL_SERIAL.fullmatch(value)
    return value if match is None else f"{int(match[1]) + _DAYS_TO_1904}{match[2] or ''}"


def _epoch(value: str) -> Moment | None:
    if not _EPOCH_SECONDS.fullmatch(value):
        return None
    seconds, _, fraction = value.partition(".")
    return Moment(datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None), timedelta(), fraction[:9])


def _epoch_ms(value: str) -> Moment | None:
    match = _EPOCH_MILLISECONDS.fullmatch(value)
    if match is None:
        return None
    seconds, milliseconds = divmod(int(match[1]), 1000)
    return Moment(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None), timedelta(), f"{milliseconds:03}")


_ISO_PATTERN = re.compile(_ISO, re.ASCII)
_PRESETS = {
    # A day and a moment without an offset are read as written; `has_offset` tells that a moment may have one.
    "iso": DateFormat("iso", lambda value: _matched(_ISO_PATTERN, value), has_offset=True),
    "excel": DateFormat("excel", _excel, has_offset=False),
    "epoch": DateFormat("epoch", _epoch, has_offset=True),
    "epoch_ms": DateFormat("epoch_ms", _epoch_ms, has_offset=True),
}


def _friendly_pieces(text: str) -> list[_Token]:
    pieces = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token.startswith("'") and len(token) > 1:
            pieces.append(_as_written(token[1:-1].replace("''", "'") or "'"))
        elif token in _FRIENDLY:
            pieces.append(_FRIENDLY[token])
        elif set(token) == {"S"}:
            pieces.append(("fraction", rf"(?P<fraction>\d{{{len(token)}}})", "0" * len(token)))
        elif token == "T" or not token.isalpha():
            pieces.append(_as_written(token))
        else:
            hint = _HINTS.get(token[0], f"put literal letters between quotes, as in '{token}'")
            raise ValueError(f"{text!r}: {token} is not part of a date format; {hint}")
    return pieces


def _strptime_pieces(text: str) -> list[_Token]:
    pieces = []
    for match in _STRPTIME_TOKEN.finditer(text):
        token = match.group()
        if not token.startswith("%"):
            pieces.append(_as_written(token))
        elif token == "%%":
            pieces.append(("", "%", "%%"))
        elif token[1:] in _STRPTIME:
            pieces.append(_STRPTIME[token[1:]])
        else:
            known = " ".join(f"%{letter}" for letter in _STRPTIME)
            raise ValueError(f"{text!r}: {token} is not part of a date format; use {known}")
    return pieces


def _as_written(text: str) -> _Token:
    pattern = _SPACE if text == " " else re.escape(text)
    return "", pattern, text.replace("%", "%%")
