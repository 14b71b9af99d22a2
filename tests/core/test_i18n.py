"""Words in two languages, and the order of names."""

from __future__ import annotations

import re

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from amkpi.core.catalogue import Language
from amkpi.core.language import formatting
from amkpi.core.language.i18n import LOCALES, Speech, given_name, name_key, plain
from amkpi.core.paths import PACKAGE
from amkpi.expectations.discovery import all_suites
from amkpi.scorecards.data_warnings import SAID_ELSEWHERE, finding_words

SCORECARDS = PACKAGE / "scorecards"


def spoken() -> set[str]:
    """Every text that the code says."""
    found = set()
    for path in SCORECARDS.rglob("*.py"):
        with path.open("rb") as file:
            for _, message, _, _ in extract("python", file, keywords={"say": None, "say_later": None, "count": (1, 2)}):
                found.add(message if isinstance(message, str) else message[0])
    return found


@pytest.mark.parametrize("language", ["vi", "en"])
def test_no_string_is_missing_or_left_over_and_each_keeps_its_parts(language: str) -> None:
    with (LOCALES / language / "LC_MESSAGES" / "scorecards.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    known = {m.id if isinstance(m.id, str) else m.id[0]: m for m in catalogue if m.id}
    assert len(spoken()) > 100
    assert known.keys() == spoken()
    for text, message in known.items():
        said = message.string if isinstance(message.string, str) else message.string[-1]
        assert said, text
        assert set(re.findall(r"{\w+}", said)) == set(re.findall(r"{\w+}", text)), text


def test_the_templates_hold_no_words_of_their_own() -> None:
    for path in (SCORECARDS / "templates").glob("mail.*.j2"):
        bare = re.sub(r"{[{%#].*?[%#}]}|<[^>]*>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.findall(r"[^\W\d_]{2,}", re.sub(r"&\w+;", "", bare)), path.name


def test_an_unknown_text_is_an_error_not_english() -> None:
    with pytest.raises(LookupError):
        Speech("vi", "VND").say("never translated")


def test_names_sort_by_given_name_and_as_vietnamese_letters_follow_each_other() -> None:
    names = ["Trần Đức", "Lê Dung", "Phạm Ân", "Vũ Ánh", "Đỗ An", "Bùi Ổn", "Mai Oanh", "Lý Ơn"]
    assert sorted(names, key=name_key) == [
        "Đỗ An", "Vũ Ánh", "Phạm Ân", "Lê Dung", "Trần Đức", "Mai Oanh", "Bùi Ổn", "Lý Ơn",
    ]  # fmt: skip
    assert given_name("Nguyễn Thị Lan") == "Lan"


def test_data_stands_on_one_line_in_nfc_without_turning_the_text_around() -> None:
    assert plain("Tra\u0300 \u202eXanh\r\n\x07 x") == "Trà Xanh x"


@pytest.mark.slow  # reading the expectations imports Great Expectations, 6 s
@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_texts_for_readers_belong_to_warnings_of_the_audit(language: Language) -> None:
    warnings = {
        expectation.name
        for suite in all_suites()
        for expectation in suite.expectations
        if expectation.finding_severity() == "warning"  # readers never see a blocked build
    }
    assert len(warnings) > 12
    words = finding_words(Speech(language, "VND"))
    # A warning that has no text of its own yet is reported to readers by a general one.
    assert words.keys() <= warnings - SAID_ELSEWHERE
    assert len(set(words.values())) == len(words)


def test_per_cent_round_half_up_of_the_number_that_was_published() -> None:
    # 100 * 1.025 is 102.49999999999999 for a machine.
    assert [formatting.percent(share, 0, "vi") for share in (1.025, 0.285, 0.2849)] == ["103", "29", "28"]
    assert formatting.kpi_value(0.0285, "ratio", "VND", "vi") == "2,9%"
    assert [formatting.money(amount, "VND", "vi") for amount in (455e6, 1.315e9, 999_999.5, 0.0)] == [
        "455 triệu VND", "1,32 tỷ VND", "999.999,50 VND", "0 VND",
    ]  # fmt: skip
