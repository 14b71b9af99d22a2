"""The sentences of an explanation: money that a reader compares is in one unit."""

from __future__ import annotations

from datetime import date

import pytest

from amkpi.core.catalogue import kpi_named
from amkpi.core.language.periods import Period
from amkpi.explain.evidence import CountedRecord, ExplainedValue, Explanation, Question
from amkpi.explain.text import change, numbers


def explained(
    kpi: str, value: float, numerator: float, denominator: float | None, before: float, *signed: float
) -> Explanation:
    """The company's value in September, with records of these amounts; a negative one is a cancellation."""
    question = Question(kpi_named(kpi), "company", None, Period.parse("month", "2026-09"))
    row = ExplainedValue(value, numerator, denominator, 3, None, False, None, None, None, None, None, "no_target",
                         before, value - before, 0)  # fmt: skip
    counted = tuple(
        CountedRecord(date(2026, 9, 1), "C1", "Client", "contracts", "K1", "A", "An", numerator=each, denominator=None,
                      samples=int(each > 0))
        for each in signed
    )  # fmt: skip
    return Explanation(question, None, "", date(2026, 10, 1), "VND", row, (), counted, (), ())


def test_cost_and_budget_are_in_one_unit() -> None:
    text = numbers(explained("cost_to_budget_ratio", 0.8, 800e6, 1000e6, 0.9), "en")
    assert text == "Cost 0.80 bn VND ÷ Original budget 1 bn VND = 80.0%"


def test_what_was_signed_taken_back_and_the_value_are_in_one_unit() -> None:
    found = explained("client_revenue", 950e6, 950e6, None, 900e6, 1200e6, -250e6)
    assert numbers(found, "vi") == "đã ký 1,20 tỷ VND (1) − bị lấy lại 0,25 tỷ VND (1 bị hủy) = 0,95 tỷ VND"


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        (1500e6, 1000e6, "+0.50 bn VND from 1 bn VND in August 2026"),
        (1010e6, 1000e6, "+10 m VND from 1,000 m VND in August 2026"),
    ],
)
def test_a_change_and_the_value_before_are_in_one_unit(value: float, before: float, expected: str) -> None:
    assert change(explained("client_revenue", value, value, None, before), "en") == expected
