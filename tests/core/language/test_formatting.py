"""Numbers and periods as people of the agency read them."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest

from amkpi.core.language import formatting
from amkpi.core.language.formatting import Formatter
from amkpi.core.language.translation import Language


def test_per_cent_round_half_up_of_the_number_that_was_published() -> None:
    # 100 * 1.025 is 102.49999999999999 for a machine.
    assert [formatting.percent(share, 0, "vi") for share in (1.025, 0.285, 0.2849)] == ["103", "29", "28"]
    assert formatting.kpi_value(0.0285, "ratio", "VND", "vi") == "2,9%"


def test_money_is_scaled_to_millions_and_billions_in_the_words_of_the_language() -> None:
    amounts = (455e6, 1.315e9, 999_999.5, 0.0)
    assert [formatting.money(amount, "VND", "vi") for amount in amounts] == [
        "455 triệu VND", "1,32 tỷ VND", "999.999,50 VND", "0 VND",
    ]  # fmt: skip
    assert [formatting.money(amount, "", "en") for amount in amounts] == ["455 m", "1.32 bn", "999,999.50", "0"]


def test_a_size_is_in_the_largest_unit_that_it_fills() -> None:
    sizes = (0, 999_949, 1_000_000, 4_649_000_000, 2 * 10**12)
    assert [formatting.size(size, "vi") for size in sizes] == ["0,0 kB", "999,9 kB", "1,0 MB", "4,6 GB", "2,0 TB"]
    assert formatting.size(4_649_000_000, "en") == "4.6 GB"


@pytest.mark.parametrize(
    ("change", "unit", "language", "expected"),
    [
        (0.025, "ratio", "vi", "+2,5 điểm phần trăm"),
        (-0.025, "ratio", "en", "−2.5 percentage points"),
        (0.0004, "ratio", "en", "0.0 percentage points"),
        (-3.0, "score", "vi", "−3,0 điểm"),
        (-1e6, "money", "vi", "−1 triệu ₫"),
    ],
)
def test_a_change_has_its_sign_and_the_unit_of_its_kpi(
    change: float, unit: str, language: Language, expected: str
) -> None:
    assert formatting.change(change, unit, "₫", language) == expected


def test_a_mail_names_the_size_of_a_change_in_few_words() -> None:
    sizes = [(0.025, "ratio"), (3.0, "score"), (1e6, "money")]
    assert [Formatter.with_symbol("vi", "VND").size_of_change(*each) for each in sizes] == [
        "2,5 điểm %", "3,0 điểm", "1 triệu ₫",
    ]  # fmt: skip
    assert Formatter.with_symbol("en", "VND").size_of_change(0.025, "ratio") == "2.5 pp"


def test_a_narrow_column_shows_no_currency() -> None:
    figures = Formatter.with_symbol("vi", "VND")
    assert (figures.value(1e9, "money"), figures.value_without_currency(1e9, "money")) == ("1 tỷ ₫", "1 tỷ")
    assert figures.value(None, "money") == figures.value_without_currency(None, "money") == "–"


BANDS = {"A+": 110.0, "A": 95.0, "B": 80.0, "C": 65.0, "D": 0.0}


def rating_of(shown: float) -> str:
    return next(rating for rating, least in BANDS.items() if shown >= least)


@pytest.mark.parametrize("edge", [least for least in BANDS.values() if least])
def test_a_score_near_a_band_never_contradicts_its_rating(edge: float) -> None:
    for thousandth in range(-500, 501):
        score = edge + thousandth / 1000
        # The rating of the spec, and that of a version that rated without rounding.
        by_spec = rating_of(float(Decimal(repr(round(score, 9))).quantize(Decimal("0.1"), ROUND_HALF_UP)))
        for rating in {by_spec, rating_of(score)}:
            shown = float(formatting.score(score, "en", rating, BANDS))
            assert rating_of(shown) == rating, score
            assert abs(shown - score) < 0.1, score
        assert formatting.score(score, "en", by_spec, BANDS) == formatting.score(score, "en"), score


def test_a_score_just_below_a_band_is_shown_below_it_where_its_rating_is() -> None:
    assert formatting.score(79.96, "vi", "C", BANDS) == "79,9"
    assert formatting.score(79.96, "vi", "B", BANDS) == "80,0"
    # DuckDB rounds to nine places before it rates.
    assert formatting.score(79.9499999999, "en") == "80.0"
    # Another setting's rating is no reason to show another score.
    assert formatting.score(85.0, "en", "C", BANDS) == "85.0"


def test_a_share_below_an_edge_is_not_rounded_to_it() -> None:
    shares = [formatting.percent_below(each, [0.7, 1.0], "en") for each in (0.699, 0.7, 0.9951, 0.9999, 1.0, 0.5)]
    assert shares == ["69.9", "70", "99.5", "99.9", "100", "50"]


def test_two_amounts_that_are_compared_have_one_unit() -> None:
    figures = Formatter.with_symbol("vi", "VND")
    assert figures.pair(980e6, 1.32e9, "money") == ("0,98 tỷ ₫", "1,32 tỷ ₫")
    # In billions the smaller one would be 0,05.
    assert figures.pair(45e6, 1.2e9, "money") == ("45 triệu ₫", "1.200 triệu ₫")
    assert figures.pair(0.0, 9.72e7, "money") == ("0 triệu ₫", "97,20 triệu ₫")
    assert figures.pair(None, 5e8, "money") == ("–", "500 triệu ₫")
    assert figures.pair(0.5, 0.85, "ratio") == ("50,0%", "85,0%")


def test_a_trailing_period_is_named_in_both_languages() -> None:
    year = ("trailing_12m", date(2025, 10, 1), date(2026, 9, 30))
    assert formatting.period(*year, "vi") == "12 tháng đến tháng 9 năm 2026"
    assert formatting.period(*year, "en") == "12 months to September 2026"
