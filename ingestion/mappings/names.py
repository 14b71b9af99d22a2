"""Native cells as they are compared: in NFC, without case where people do not mean it."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

# oà → òa, oẻ → ỏe, uỷ → ủy: with the tone on the first of two vowels.
_ON_FIRST = {
    unicodedata.normalize("NFC", first + second + tone): unicodedata.normalize("NFC", first + tone + second)
    for first, second in (("o", "a"), ("o", "e"), ("u", "y"))
    for tone in "\u0300\u0301\u0303\u0309\u0323"
}
_TONE_ON_SECOND = re.compile("|".join(_ON_FIRST))


def clean_cell(value: str) -> str:
    """A native cell as it is parsed: trimmed, in NFC."""
    return unicodedata.normalize("NFC", value).strip()


def folded_cell(value: str) -> str:
    """A native cell as a value map compares it: without case and outer spaces, each run of spaces as one.

    Vietnamese is written with the tone on either vowel (huỷ and hủy): both are the same.
    """
    text = " ".join(unicodedata.normalize("NFC", value).casefold().split())
    return _TONE_ON_SECOND.sub(lambda found: _ON_FIRST[found[0]], text)


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a message that suggests the closest known name; empty if none is close."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
