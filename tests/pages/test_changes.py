"""The scores of the page on changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from amkpi.pages.compose.changes import _rated
from amkpi.pages.model import plain_text

BANDS = {"A": 90.0, "B": 80.0, "C": 70.0, "D": 0.0}


@pytest.mark.parametrize(
    ("score", "rating", "shown"),
    [(79.96, "C", "79.9 C"), (80.0, "B", "80.0 B"), (89.951, "B", "89.9 B"), (65.0, None, "–"), (None, None, "–")],
)
def test_a_score_never_contradicts_its_rating(score: float | None, rating: str | None, shown: str) -> None:
    context: Any = SimpleNamespace(
        language="en",
        facts=SimpleNamespace(rules=SimpleNamespace(bands=BANDS)),
        figures=SimpleNamespace(number=lambda value, places: f"{value:.{places}f}"),
    )
    assert plain_text(_rated(context, score, rating, "adjusted_scores.closed_score")) == shown
