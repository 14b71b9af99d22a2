"""Every text that people read is in both catalogues: none is missing, left over or without a placeholder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_args

import pytest
from babel.messages.catalog import Message as BabelMessage

from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Message, Translator
from amkpi.core.paths import PACKAGE
from amkpi.expectations.discovery import all_suites
from amkpi.scorecards.compose.data_warnings import EXPECTATIONS, REPORTED_ELSEWHERE
from tools.texts import Text, is_translated, read_catalogue, texts, updated

LANGUAGES: Sequence[Language] = get_args(Language)


@pytest.fixture(scope="module")
def of_code() -> dict[str, Text]:
    """The texts of the code by msgid."""
    found = {text.singular: text for text in texts()}
    assert len(found) > 250
    return found


def of_catalogue(language: Language) -> dict[str, BabelMessage]:
    return {each.id if isinstance(each.id, str) else each.id[0]: each for each in read_catalogue(language) if each.id}


def forms(message: BabelMessage) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or [])


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{\w+}", text))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.slow
def test_every_text_of_the_code_is_in_the_catalogue(language: Language, of_code: dict[str, Text]) -> None:
    assert of_code.keys() - of_catalogue(language).keys() == set(), "run `make texts`, then translate"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_of_a_catalogue_is_unused(language: Language, of_code: dict[str, Text]) -> None:
    assert of_catalogue(language).keys() - of_code.keys() == set(), "run `make texts`"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_in_each_plural_form(language: Language, of_code: dict[str, Text]) -> None:
    for msgid, message in of_catalogue(language).items():
        plurals = 2 if language == "en" else 1
        assert is_translated(message), msgid
        assert len(forms(message)) == (plurals if of_code[msgid].plural else 1), msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_placeholders_of_its_text(language: Language) -> None:
    for msgid, message in of_catalogue(language).items():
        for form in forms(message):
            assert placeholders(form) == placeholders(msgid), msgid


def test_the_english_catalogue_says_what_the_code_says(of_code: dict[str, Text]) -> None:
    for msgid, message in of_catalogue("en").items():
        text = of_code[msgid]
        assert forms(message) == ([text.singular, text.plural] if text.plural else [text.singular])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.slow
def test_a_catalogue_is_as_make_texts_writes_it(language: Language) -> None:
    path = PACKAGE / "core" / "language" / "locales" / language / "LC_MESSAGES" / "amkpi.po"
    assert path.read_text(encoding="utf-8") == updated(language), "run `make texts`"


@pytest.mark.slow
def test_the_same_text_has_one_plural_everywhere() -> None:
    plurals: dict[str, set[str]] = {}
    for text in texts():
        plurals.setdefault(text.singular, set()).add(text.plural)
    assert [msgid for msgid, found in plurals.items() if len(found) > 1] == []


def test_the_templates_have_no_words_of_their_own() -> None:
    templates = sorted((PACKAGE / "scorecards" / "render" / "templates").glob("mail.*.j2"))
    assert len(templates) == 2
    for path in templates:
        bare = re.sub(r"{[{%#].*?[%#}]}|<[^>]*>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.findall(r"[^\W\d_]{2,}", re.sub(r"&\w+;", "", bare)), path.name


def test_a_text_without_a_translation_is_an_error_and_not_english() -> None:
    with pytest.raises(LookupError, match="no translation of 'never translated'"):
        Translator("vi").t("never translated")
    with pytest.raises(LookupError, match="no translation of 'one'"):
        Translator("vi").n("one", "many", 2)


def test_a_placeholder_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="day"):
        Translator("en").t("open since {day}")


def test_a_count_takes_the_plural_of_its_language() -> None:
    def both(count: int) -> tuple[str, str]:
        english, vietnamese = (
            Translator(language).n("delivered {n} day late", "delivered {n} days late", count)
            for language in ("en", "vi")
        )
        return english, vietnamese

    assert both(1) == ("delivered 1 day late", "giao trễ 1 ngày")
    assert both(1234) == ("delivered 1,234 days late", "giao trễ 1.234 ngày")


def test_a_message_is_translated_when_its_language_is_known_with_the_messages_inside_it() -> None:
    message = Message("Resolved: {subject}", subject=Message("Publication blocked"))
    assert Translator("vi").t(message) == "Đã hết: Công bố bị chặn"
    assert str(message) == "Resolved: Publication blocked"
    assert message == Message("Resolved: {subject}", subject=Message("Publication blocked"))


@pytest.mark.slow  # reading the expectations imports Great Expectations, 6 s
def test_the_texts_for_readers_belong_to_warnings_of_the_audit() -> None:
    warnings = {
        expectation.name
        for suite in all_suites()
        for expectation in suite.expectations
        if expectation.finding_severity() == "warning"  # readers never see a blocked build
    }
    assert len(warnings) > 12
    # A warning that has no text of its own yet is reported to readers by a general one.
    assert EXPECTATIONS.keys() <= warnings - REPORTED_ELSEWHERE
    assert len(set(EXPECTATIONS.values())) == len(EXPECTATIONS)
