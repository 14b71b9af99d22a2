"""What the values of a native column say about it: date and number formats, with what else they could mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amkpi.ingestion.mappings.drafts.sample import Cell
from amkpi.ingestion.mappings.values.dates import date_format, date_formats
from amkpi.ingestion.mappings.values.numbers import PRESETS, NumberFormat, is_ambiguous
from amkpi.ingestion.readers.record_batches import MOMENT, NUMBER

_DAYS = ("d/M/yyyy", "M/d/yyyy", "d-M-yyyy", "M-d-yyyy", "d.M.yyyy", "yyyy/M/d", "d/M/yy", "M/d/yy", "yyyyMMdd")
_NAMED = ("d/MMM/yy", "d/MMM/yyyy", "d-MMM-yyyy", "d MMM yyyy", "MMM d, yyyy", "MMMM d, yyyy", "d MMMM yyyy")
_TIMES = ("", " H:mm", " H:mm:ss", " h:mm a", " h:mm:ss a")
_CANDIDATES = ("iso", *(f"{day}{time}" for day in (*_DAYS, *_NAMED) for time in _TIMES), "epoch", "epoch_ms", "excel")
_MOST_FORMATS = 4


@dataclass(frozen=True)
class Guess:
    """How the texts of a column are written.

    keys: the key of a rule and its value; empty if the texts are canonical. read, of: how many of the texts this reads.
    doubt: what else the texts could mean; None if nothing. has_offset: whether a moment is a point in time.
    """

    keys: tuple[str, ...]
    read: int
    of: int
    doubt: str | None = None
    has_offset: bool = False


def dates(cells: Sequence[Cell]) -> Guess | None:
    """How the dates of a column are written; None if most of its texts are no dates."""
    texts = list(dict.fromkeys(cell.text for cell in cells if cell.kind != MOMENT))
    if not texts:
        return Guess((), len(cells), len(cells)) if cells else None
    left = texts
    chosen: list[str] = []
    while left and len(chosen) < _MOST_FORMATS:
        counts = {name: sum(_reads(name, text) for text in left) for name in _CANDIDATES if _fits(chosen, name)}
        best = max(counts, key=lambda name: (counts[name], -_CANDIDATES.index(name)))
        if not counts[best]:
            break
        chosen.append(best)
        left = [text for text in left if not _reads(best, text)]
    if len(left) * 2 >= len(texts):
        return None
    if chosen == ["iso"] and all(len(text) == len("2024-03-05") for text in texts):
        return Guess((), len(texts) - len(left), len(texts))
    written = chosen[0] if len(chosen) == 1 else f"[{', '.join(_quoted(name) for name in chosen)}]"
    key = f"date_format: {_quoted(written) if len(chosen) == 1 else written}"
    # The mapping needs time_zone for a format that may have an offset, whether the sample has one or not.
    has_offset = any(date_format(name).has_offset for name in chosen)
    return Guess((key,), len(texts) - len(left), len(texts), _other_days(chosen[0], texts), has_offset)


def numbers(cells: Sequence[Cell]) -> Guess | None:
    """How the numbers of a column are written; None if most of its texts are no numbers."""
    texts = list(dict.fromkeys(cell.text for cell in cells if cell.kind != NUMBER))
    if not texts:
        return Guess((), len(cells), len(cells)) if cells else None
    plain = NumberFormat()
    counts: dict[str, int] = {"": sum(plain.read(text) is not None and not is_ambiguous(text) for text in texts)}
    counts.update({name: sum(form.read(text) is not None for text in texts) for name, form in PRESETS.items()})
    best = max(counts, key=lambda name: counts[name])
    if counts[best] * 2 < len(texts):
        return None
    if not best:
        return Guess((), counts[best], len(texts))
    others = [name for name in reversed(PRESETS) if name != best and counts[name] == counts[best]]
    example = next((text for text in texts if any(_differs(best, name, text) for name in others)), None)
    doubt = None
    if example is not None:
        other = next(name for name in others if _differs(best, name, example))
        here, there = (PRESETS[name].read(example) for name in (best, other))
        doubt = f"{example} is {here} here; with number: {other} it is {there}"
    return Guess((f"number: {best}",), counts[best], len(texts), doubt)


def _differs(one: str, other: str, text: str) -> bool:
    return PRESETS[one].read(text) != PRESETS[other].read(text)


def _reads(name: str, text: str) -> bool:
    return date_format(name).read(text) is not None


def _fits(chosen: Sequence[str], name: str) -> bool:
    """Whether the format can be tried after the chosen ones: no text may have two meanings."""
    if name in chosen:
        return False
    try:
        date_formats((*chosen, name))
    except ValueError:
        return False
    return True


def _other_days(chosen: str, texts: Sequence[str]) -> str | None:
    """A sentence about another format that reads every text, as other days; None if there is none."""
    form = date_format(chosen)
    read = [(text, form.read(text)) for text in texts]
    own = [(text, moment.at.date()) for text, moment in read if moment is not None]
    for name in _CANDIDATES:
        other = date_format(name)
        found = [(text, day, other.read(text)) for text, day in own]
        if name != chosen and own and all(moment is not None for _, _, moment in found):
            differs = next(((text, moment) for text, day, moment in found if moment and moment.at.date() != day), None)
            if differs:
                return f"every date also reads as {name}: {differs[0]} would be {differs[1].at.date().isoformat()}"
    return None


def _quoted(text: str) -> str:
    return f'"{text}"' if any(ch in text for ch in " :,") and not text.startswith("[") else text
