"""Names and other data as a mail shows them, and the order of Vietnamese names."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
# Circumflex, breve and horn make another letter; the other marks are tones.
_MARKS_OF_LETTERS = {"\u0302", "\u0306", "\u031b"}


@lru_cache(maxsize=65536)
def plain(text: str) -> str:
    """Data on one line of a mail: in NFC, without line ends and characters that control or reverse the text."""
    kept = (" " if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp", "Cs") else sign for sign in text)
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


# Of names that people or other programs choose: of who closed a period, of delivered files.
MOST_SIGNS = 80


def shortened(text: str) -> str:
    """Data on one line, with … in the middle of a very long one: a file is told by its folder and by its ending."""
    shown = plain(text)
    if len(shown) <= MOST_SIGNS:
        return shown
    end = MOST_SIGNS // 2
    return f"{shown[: MOST_SIGNS - end - 1].rstrip()}…{shown[-end:].lstrip()}"


def unmarked(text: str) -> str:
    """A text for a search: in lower case without accents and tones, đ as d."""
    letters = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return " ".join("".join(sign for sign in letters if not unicodedata.combining(sign)).split())


def given_name(full_name: str) -> str:
    """The given name of a Vietnamese name: its last word."""
    return full_name.split()[-1] if full_name.split() else full_name


def name_key(full_name: str) -> tuple[object, ...]:
    """The sort key of a name in a Vietnamese list: given name first; đ after d, ô after o, tones last."""
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
