"""The differences of an adjustment: money is money, and what is compared is in one unit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from amkpi.core.catalogue import kpi_named
from amkpi.core.language.formatting import Formatter
from amkpi.scorecards.compose.adjustments import difference_texts


@pytest.mark.parametrize(
    ("kpi", "amounts", "fresh", "expected"),
    [
        ("client_revenue", (60e6,), 1200e6, (("+60 m VND",), "1,200 m VND")),
        ("client_revenue", (-600e6,), 1200e6, (("−0.60 bn VND",), "1.20 bn VND")),
        ("cost_to_budget_ratio", (900e6, 1000e6), 0.9, (("+0.90 bn VND", "+1 bn VND"), "90.0%")),
        ("contract_win_rate", (1.0, 0.0), 0.5, (("+1", "±0"), "50.0%")),
        ("client_revenue", (60e6,), None, (("+60 m VND",), "–")),
    ],
)
def test_differences_have_signs_and_money_is_in_one_unit(
    kpi: str, amounts: tuple[float, ...], fresh: float | None, expected: object
) -> None:
    context: Any = SimpleNamespace(figures=Formatter("en", "VND"))
    assert difference_texts(context, kpi_named(kpi), amounts, fresh) == expected
