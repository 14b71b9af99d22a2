"""A name in any text: found whatever its case and writing, and replaced by the pseudonym."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Replacement:
    """What is replaced by what.

    identity: the staff id or client id. names: of nobody else; they are replaced wherever they stand as whole words.
    cells: what may also be another word, or is no name (the title of a project): replaced where it is a whole cell.
    own_texts: what others have too: replaced where it is a whole cell of a row that has the identity. longer: names of
    others that have one of these in them; they stay.
    """

    identity: str
    pseudonym: str
    names: tuple[str, ...]
    cells: tuple[str, ...] = ()
    own_texts: tuple[str, ...] = ()
    longer: tuple[str, ...] = ()

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        stay, go = (
            "|".join(
                _whole_words(form) for form in sorted({form for name in names for form in written(name)}, key=len)[::-1]
            )
            for names in (self.longer, self.names)
        )
        # At each place the first alternative that fits is taken.
        return re.compile(f"{f'(?P<stays>{stay})|' if stay else ''}{go}", re.IGNORECASE) if go else None

    @cached_property
    def _own(self) -> frozenset[str]:
        return frozenset(map(_compared, (*self.own_texts, *self.cells, *self.names)))

    @cached_property
    def _anywhere(self) -> frozenset[str]:
        return frozenset(map(_compared, (*self.cells, *self.names)))

    @cached_property
    def searched(self) -> str:
        """A pattern, also of RE2, without regard to case: a cell in which it is not found stays. Empty for no text."""
        forms = {form for text in (*self.names, *self.cells, *self.own_texts) for form in written(text)}
        return "|".join(re.escape(form) for form in sorted(forms))

    def in_text(self, text: str) -> str:
        """The text without the names."""
        if self._pattern is None:
            return text
        return self._pattern.sub(self._replaced, text)

    def _replaced(self, found: re.Match[str]) -> str:
        return found[0] if found.groupdict().get("stays") else self.pseudonym

    def in_cell(self, text: str, is_own_row: bool) -> str:
        """A cell without the names. is_own_row: whether its row has the identity."""
        if text == self.identity:
            return text
        if _compared(text) in (self._own if is_own_row else self._anywhere):
            return self.pseudonym
        return self.in_text(text)


def written(name: str) -> frozenset[str]:
    """How a name can be written in a file: composed or not, within HTML, JSON (also with \\u escapes) or CSV."""
    forms = set()
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, name)
        in_json = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        forms |= {text, html.escape(text), *in_json, text.replace('"', '""')}
    return frozenset(forms)


def contains(text: str, name: str) -> bool:
    """Whether the text has the name as whole words."""
    composed = unicodedata.normalize("NFC", text)
    return bool(re.search(_whole_words(unicodedata.normalize("NFC", name)), composed, re.IGNORECASE))


def shared(names: Iterable[str], of_others: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Those of the names that others have too, and the names of others that have one of these in them."""
    by_text = {_compared(name): name for name in names}
    pattern = re.compile("|".join(_whole_words(unicodedata.normalize("NFC", name)) for name in by_text), re.IGNORECASE)
    same, longer = set(), set()
    for other in of_others if by_text else ():
        if _compared(other) in by_text:
            same.add(by_text[_compared(other)])
        elif pattern.search(unicodedata.normalize("NFC", other)):
            longer.add(other)
    return frozenset(same), frozenset(longer)


def _whole_words(name: str) -> str:
    # The end of another address is no address.
    before = r"(?<![\w.+-])" if "@" in name else r"(?<!\w)"
    return f"{before}{re.escape(name)}(?!\\w)"


def _compared(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
