"""The group's own two files beside agencies.toml: fx_rates.csv and group_targets.csv. Both may be missing."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from amkpi.core.agencies import Agencies
from amkpi.core.catalogue import kpis
from amkpi.core.errors import AmkpiError

RATES, TARGETS = "fx_rates.csv", "group_targets.csv"
T = TypeVar("T")
GRAINS = ("month", "quarter", "year", "trailing_12m")


@dataclass(frozen=True, order=True)
class Rate:
    """From that day on, one unit of the currency is `rate` units of the group's."""

    currency: str
    rate_date: date
    rate: float


@dataclass(frozen=True, order=True)
class Target:
    """A target of a region, or of the group. code: the region, empty for the group. period_grain: empty for any."""

    level: str
    code: str
    kpi: str
    period_grain: str
    valid_from: date
    target: float
    weight: float


def read_rates(folder: Path) -> tuple[Rate, ...]:
    """The rates, in their order. Raises AmkpiError that names file, line and column."""
    return _read(
        folder / RATES,
        lambda cell: Rate(cell("currency", _currency), cell("rate_date", _date), cell("rate", _positive)),
        ("currency", "rate_date", "rate"),
        lambda rate: (rate.currency, rate.rate_date),
    )


def read_targets(folder: Path, agencies: Agencies) -> tuple[Target, ...]:
    """The targets, in their order. Raises AmkpiError that names file, line and column."""
    regions = {agency.region for agency in agencies.agencies} - {""}
    names = {kpi.name for kpi in kpis() if not kpi.private}

    def read(cell: _Cells) -> Target:
        level = cell("level", _one_of(("region", "group")))
        return Target(
            level,
            cell("code", _one_of(regions if level == "region" else ("",))),
            cell("kpi", _one_of(names)),
            cell("period_grain", _one_of(("", *GRAINS))),
            cell("valid_from", _date),
            cell("target", _number),
            cell("weight", _not_negative),
        )

    return _read(
        folder / TARGETS,
        read,
        ("level", "code", "kpi", "period_grain", "valid_from", "target", "weight"),
        lambda each: (each.level, each.code, each.kpi, each.period_grain, each.valid_from),
    )


class _Cells:
    """The cells of one line: each is read by its column and a function that raises ValueError."""

    def __init__(self, place: str, row: Mapping[str, str]) -> None:
        self._place, self._row = place, row

    def __call__(self, column: str, read: Callable[[str], T]) -> T:
        text = (self._row.get(column) or "").strip()
        try:
            return read(text)
        except ValueError as error:
            raise AmkpiError(f"{self._place}: {column} {text!r}: {error}") from error


def _read(
    file: Path, read: Callable[[_Cells], T], columns: tuple[str, ...], key: Callable[[T], object]
) -> tuple[T, ...]:
    found: dict[object, T] = {}
    for place, row in _lines(file, columns):
        each = read(_Cells(place, row))
        if key(each) in found:
            raise AmkpiError(f"{place}: the same as a line above it; keep one of them")
        found[key(each)] = each
    return tuple(found[each] for each in sorted(found, key=str))


def _lines(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line with where it is. Nothing for a file that does not exist."""
    if not file.exists():
        return
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            header = [name.strip().lower() for name in reader.fieldnames or ()]
            lacking = [name for name in columns if name not in header]
            if lacking:
                raise AmkpiError(f"{file}: no column {', '.join(lacking)}; it needs {', '.join(columns)}")
            reader.fieldnames = header
            for row in reader:
                yield f"{file}, line {reader.line_num}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AmkpiError(f"{file}: cannot be read: {error}") from error


def _one_of(known: Collection[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"must be one of {', '.join(sorted(known)) or 'none'}" if any(known) else "must be empty")
        return text

    return read


def _currency(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise ValueError("write three capital letters, such as USD")
    return text


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError("write the date as 2020-01-31") from error


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError("write a number without thousands separators, such as 27000.5") from error
    if not math.isfinite(number):
        raise ValueError("must be a number")
    return number


def _positive(text: str) -> float:
    if (number := _number(text)) <= 0:
        raise ValueError("must be above 0")
    return number


def _not_negative(text: str) -> float:
    if (number := _number(text)) < 0:
        raise ValueError("must not be below 0")
    return number
