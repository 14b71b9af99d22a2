"""How `amkpi explain` takes a KPI and a period, and how it says a change."""

from __future__ import annotations

from typing import Any

import pytest

from amkpi.core.catalogue import kpis
from amkpi.core.errors import AmkpiError
from amkpi.core.language import formatting
from amkpi.explain.arguments import find_kpi, find_period, period_key


@pytest.mark.parametrize(
    ("value", "unit", "language", "text"),
    [
        (0.034, "ratio", "en", "+3.4 percentage points"),
        (-0.034, "ratio", "vi", "−3,4 điểm phần trăm"),
        (0.0001, "ratio", "en", "0.0 percentage points"),
        (-2.25, "score", "vi", "−2,3 điểm"),
        (-1500000.0, "money", "en", "−1.50 m VND"),
        (0.0, "money", "vi", "0 VND"),
    ],
)
def test_a_change_carries_its_sign_unless_it_rounds_to_nothing(
    value: float, unit: str, language: Any, text: str
) -> None:
    assert formatting.change(value, unit, "VND", language) == text


def test_a_kpi_is_named_by_its_number_or_a_part_of_its_name_or_label() -> None:
    assert [find_kpi(text).number for text in ("3", "on", "ON-TIME", "upsell", "contract_win_rate")] == [3, 3, 3, 6, 5]
    assert [find_kpi(text).number for text in ("time", "win", "budget", "revenue")] == [3, 5, 7, 1]
    labels = ("giao đúng hạn", "GIAO DUNG HAN", "phối hợp", "Internal coll", "Upsell / cross-sell", "on-time delivery")
    assert [find_kpi(text).number for text in labels] == [3, 3, 8, 8, 6, 3]
    for text, said in (
        ("client", "'client' fits 3 KPIs: name one of client_revenue, client_"),
        ("rate", "fits 4 KPIs"),
        ("on_tim_delivry_rate", "did you mean on_time_delivery_rate"),
        (str(len(kpis()) + 1), f"use 1 to {len(kpis())}"),
        ("", "use 1 to "),
    ):
        with pytest.raises(AmkpiError, match=said):
            find_kpi(text)


@pytest.mark.parametrize("text", ["2026-09", "2026-Q3", "2026", "t12m:2026-09"])
def test_a_period_is_read_as_it_is_named(text: str) -> None:
    assert period_key(find_period(text)) == text


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "2026-Q5", "26", "0000", "t12m:2026", "t12m:2026-Q1", "sept", ""]
)
def test_an_unknown_period_is_an_error_with_examples(text: str) -> None:
    with pytest.raises(AmkpiError, match="write it as 2026-09, 2026-Q3, 2026 or t12m:2026-09"):
        find_period(text)
