"""A reader's language: the words of the catalogue in locales/, numbers, and the order of Vietnamese names."""

from __future__ import annotations

import gettext
import io
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import get_currency_symbol

from amkpi.core.catalogue import Language
from amkpi.core.language import formatting

LOCALES = Path(__file__).resolve().parent / "locales"
_LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_MARKS_OF_LETTERS = {"\u0302", "\u0306", "\u031b"}  # circumflex, breve, horn: another letter; the rest are tones


class _Missing(gettext.NullTranslations):
    """Behind each catalogue: a string that is not in it is a defect, and never slips out in English."""

    def gettext(self, message: str) -> str:
        raise LookupError(f"no translation of {message!r}")

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        raise LookupError(f"no translation of {msgid1!r}")


@cache
def catalogue(language: Language) -> gettext.GNUTranslations:
    """The words in that language, compiled from the .po file in memory: a fresh clone needs no step."""
    with (LOCALES / language / "LC_MESSAGES" / "scorecards.po").open("rb") as file:
        words = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, words)
    compiled.seek(0)
    translations = gettext.GNUTranslations(compiled)
    translations.add_fallback(_Missing())
    return translations


class Speech:
    """How one reader is spoken to: language and reporting currency."""

    def __init__(self, language: Language, currency: str) -> None:
        self.language: Language = language
        self.currency = get_currency_symbol(currency, locale=language)
        self._words = catalogue(language)

    def say(self, text: str, **parts: object) -> str:
        """The text in the reader's language with its parts put in. Raises LookupError for an unknown text."""
        said = self._words.gettext(text)
        return said.format(**parts) if parts else said

    def count(self, one: str, many: str, n: int, **parts: object) -> str:
        """The same for a text that depends on a number, which it names {n}."""
        return self._words.ngettext(one, many, n).format(n=formatting.number(n, 0, self.language), **parts)

    def choose(self, texts: Mapping[Language, str] | Any) -> str:
        """A text that stands in both languages in the KPI catalogue."""
        return str(texts[self.language])

    def value(self, value: float | None, unit: str) -> str:
        """A KPI's value with its unit."""
        return formatting.kpi_value(value, unit, self.currency, self.language)

    def brief(self, value: float | None, unit: str) -> str:
        """The same where there is little room: no currency."""
        text = self.value(value, unit)
        return text.removesuffix(f" {self.currency}") if unit == "money" else text

    def percent(self, share: float | None, places: int = 0) -> str:
        """A share as per cent."""
        return "–" if share is None else f"{formatting.percent(share, places, self.language)}%"

    def number(self, value: float | None, places: int = 0) -> str:
        """A number; a dash for none."""
        return "–" if value is None else formatting.number(value, places, self.language)


@dataclass(frozen=True)
class Said:
    """A text of the catalogue with its parts, said in a language that is chosen later."""

    text: str
    parts: tuple[tuple[str, str], ...] = ()

    def in_(self, speech: Speech) -> str:
        """The text in that language. Raises LookupError for one that no catalogue has."""
        return speech.say(self.text, **dict(self.parts))

    def __str__(self) -> str:
        """In English, as the command line speaks."""
        return self.in_(Speech("en", "XXX"))


def say_later(text: str, **parts: object) -> Said:
    """What `Speech.say` takes, kept for later."""
    return Said(text, tuple((name, str(part)) for name, part in parts.items()))


def plain(text: str) -> str:
    """Data as it may stand in one line of a mail: NFC, no line ends, no control or direction-changing characters."""
    kept = (" " if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp", "Cs") else sign for sign in text)
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def given_name(full_name: str) -> str:
    """What a Vietnamese name is called by: its last word."""
    return full_name.split()[-1] if full_name.split() else full_name


def name_key(full_name: str) -> tuple[object, ...]:
    """Sorts names as a Vietnamese list does: by given name, then the others; đ after d, ô after o, tones last."""
    words = full_name.lower().split()
    return tuple(_letters(word) for word in words[-1:] + words[:-1])


def _letters(word: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    ranks: list[int] = []
    tones: list[str] = []
    for sign in unicodedata.normalize("NFC", word):
        parts = unicodedata.normalize("NFD", sign)
        letter = unicodedata.normalize("NFC", parts[0] + "".join(m for m in parts[1:] if m in _MARKS_OF_LETTERS))
        ranks.append(_LETTERS.index(letter) if letter in _LETTERS else 1000 + ord(letter[0]))
        tones.append("".join(mark for mark in parts[1:] if mark not in _MARKS_OF_LETTERS))
    return tuple(ranks), tuple(tones)
