"""Names and other data as mails show them."""

from __future__ import annotations

from amkpi.core.language.names import MOST_SIGNS, given_name, name_key, plain, shortened


def test_names_sort_by_given_name_and_as_vietnamese_letters_follow_each_other() -> None:
    names = ["Trần Đức", "Lê Dung", "Phạm Ân", "Vũ Ánh", "Đỗ An", "Bùi Ổn", "Mai Oanh", "Lý Ơn"]
    assert sorted(names, key=name_key) == [
        "Đỗ An", "Vũ Ánh", "Phạm Ân", "Lê Dung", "Trần Đức", "Mai Oanh", "Bùi Ổn", "Lý Ơn",
    ]  # fmt: skip
    assert given_name("Nguyễn Thị Lan") == "Lan"


def test_data_is_on_one_line_in_nfc_without_characters_that_reverse_the_text() -> None:
    assert plain("Tra\u0300 \u202eXanh\r\n\x07 x") == "Trà Xanh x"


def test_a_very_long_name_keeps_its_begin_and_its_end() -> None:
    assert shortened("projects/an.csv") == "projects/an.csv"
    assert shortened("a" * MOST_SIGNS) == "a" * MOST_SIGNS
    name = f"projects/{'x' * 300}-2026-09.csv"
    assert len(shortened(name)) <= MOST_SIGNS
    assert shortened(name).startswith("projects/xx")
    assert shortened(name).endswith("xx-2026-09.csv")
    assert "\u202e" not in shortened("a\u202eb" * 90)
