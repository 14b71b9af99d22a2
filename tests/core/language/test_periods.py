"""Periods as the command line and readers say them."""

from __future__ import annotations

from datetime import date

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import Period


@pytest.mark.parametrize(
    ("grain", "text", "start", "end", "before"),
    [
        ("month", "2026-01", date(2026, 1, 1), date(2026, 1, 31), "2025-12"),
        ("quarter", "2026-Q1", date(2026, 1, 1), date(2026, 3, 31), "2025-Q4"),
        ("year", "2024", date(2024, 1, 1), date(2024, 12, 31), "2023"),
        ("trailing_12m", "2026-09", date(2025, 10, 1), date(2026, 9, 30), "2026-08"),
    ],
)
def test_a_period_is_said_parsed_and_stepped_back(grain: str, text: str, start: date, end: date, before: str) -> None:
    period = Period.parse(grain, text)
    assert (period.start, period.end, period.key, period.before().key) == (start, end, text, before)
    assert Period.holding(grain, end) == period


@pytest.mark.parametrize(
    ("grain", "text"), [("month", "2026-13"), ("month", "2026-9"), ("quarter", "2026-Q5"), ("week", "2026")]
)
def test_what_is_no_period_is_told_with_an_example(grain: str, text: str) -> None:
    with pytest.raises(AmkpiError):
        Period.parse(grain, text)


@pytest.mark.parametrize(
    ("grain", "text", "told"),
    [
        ("month", "2026-Q3", "is no month: say it as 2026-09, or give --grain quarter"),
        ("quarter", "2026", "is no quarter: say it as 2026-Q3, or give --grain year"),
        ("month", "2026-13", "is no month: say it as 2026-09"),
    ],
)
def test_a_period_of_another_grain_is_told_with_its_grain(grain: str, text: str, told: str) -> None:
    with pytest.raises(AmkpiError, match=f"{told}$"):
        Period.parse(grain, text)


def test_readers_see_their_own_language() -> None:
    period = Period.parse("month", "2026-10")
    assert (period.name("vi"), period.short("vi"), period.axis("vi")) == ("Tháng 10 năm 2026", "T10/2026", "T10")
    assert (period.name("en"), period.short("en"), period.axis("en")) == ("October 2026", "Oct 2026", "Oct")
