"""Texts for people: one gettext catalogue a language, in `locales/`. The English text in the code is the key.

A text in the code is a literal in `t("…")`, `n("…", "…", count)` or `Message("…")`: `make texts` finds it there.
"""

from __future__ import annotations

import gettext
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from amkpi.core.language.translation import Language

LOCALES = Path(__file__).resolve().parent / "locales"
DOMAIN = "amkpi"


class _Missing(gettext.NullTranslations):
    """The fallback of each catalogue: a missing text is an error, and is never shown in English instead."""

    def gettext(self, message: str) -> str:
        raise LookupError(f"no translation of {message!r}: run `make texts` and translate it in {LOCALES}")

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        raise LookupError(f"no translation of {msgid1!r}: run `make texts` and translate it in {LOCALES}")


def catalogue_file(language: Language) -> Path:
    """The .po file of a language."""
    return LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


@cache
def _catalogue(language: Language) -> gettext.GNUTranslations:
    """The texts of a language, compiled in memory from the .po file: a fresh clone needs no build step."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with catalogue_file(language).open("rb") as file:
        texts = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, texts)
    compiled.seek(0)
    translations = gettext.GNUTranslations(compiled)
    translations.add_fallback(_Missing())
    return translations


@dataclass(frozen=True, init=False)
class Message:
    """A text whose language is known only later, with the values of its placeholders."""

    text: str
    values: tuple[tuple[str, object], ...]

    def __init__(self, text: str, /, **values: object) -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "values", tuple(values.items()))

    def __str__(self) -> str:
        """In English, for logs."""
        return Translator("en").t(self)


@dataclass(frozen=True)
class Translator:
    """Translates texts into one language."""

    language: Language

    def t(self, text: str | Message, /, **values: object) -> str:
        """The text in this language, with its placeholders filled; a value may be a `Message` itself.

        Raises LookupError for a text that the catalogue does not have, KeyError for a placeholder without a value.
        """
        message = Message(text) if isinstance(text, str) else text
        return self._fill(_catalogue(self.language).gettext(message.text), {**dict(message.values), **values})

    def n(self, singular: str, plural: str, count: int, /, **values: object) -> str:
        """The same for a text that depends on a count, which it names `{n}`. Vietnamese has one form for all counts."""
        from babel.numbers import format_decimal

        text = _catalogue(self.language).ngettext(singular, plural, count)
        return self._fill(text, {"n": format_decimal(count, format="#,##0", locale=self.language), **values})

    def _fill(self, text: str, values: dict[str, object]) -> str:
        return text.format_map({k: self.t(v) if isinstance(v, Message) else v for k, v in values.items()})
