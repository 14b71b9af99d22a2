"""What the values of a native column say about it: date and number formats, with what else they could mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from amkpi.ingestion.mappings.drafts.sample import Cell
from amkpi.ingestion.mappings.values.dates import date_format, date_formats
from amkpi.ingestion.mappings.values.numbers import PRESETS, NumberFormat, is_ambiguous
from amkpi.ingestion.readers.record_batches import MOMENT, NUMBERS

_DAYS = ("d/M/yyyy", "M/d/yyyy", "d-M-yyyy", "M-d-yyyy", "d.M.yyyy", "yyyy/M/d", "d/M/yy", "M/d/yy", "yyyyMMdd")
_NAMED = ("d/MMM/yy", "d/MMM/yyyy", "d-MMM-yyyy", "d MMM yyyy", "MMM d, yyyy", "MMMM d, yyyy", "d MMMM yyyy")
_TIMES = ("", " H:mm", " H:mm:ss", " h:mm a", " h:mm:ss a")
_CANDIDATES = ("iso", *(f"{day}{time}" for day in (*_DAYS, *_NAMED) for time in _TIMES), "epoch", "epoch_ms", "excel")
_MOST_FORMATS = 4
_THREE_DECIMALS = re.compile(r"-?[0-9]+\.[0-9]{3}")


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
    return Guess((key,), len(texts) - len(left), len(texts), other_days(chosen[0], cells), has_offset)


def numbers(cells: Sequence[Cell]) -> Guess | None:
    """How the numbers of a column are written; None if most of its texts are no numbers."""
    texts = list(dict.fromkeys(cell.text for cell in cells if cell.kind not in NUMBERS))
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
    return Guess((f"number: {best}",), counts[best], len(texts), other_numbers(PRESETS[best], cells))


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


def other_days(chosen: str, cells: Sequence[Cell]) -> str | None:
    """A sentence about another format that reads every text which the chosen one reads, as other days; None if none."""
    form = date_format(chosen)
    texts = dict.fromkeys(cell.text for cell in cells if cell.kind != MOMENT)
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


def other_numbers(chosen: NumberFormat | None, cells: Sequence[Cell]) -> str | None:
    """A sentence about another format that reads every text, as other numbers; None if there is none.

    chosen: None for numbers as an extract has them.
    """
    typed = {cell.text for cell in cells if cell.kind in NUMBERS and "." in cell.text}
    if len(typed) > 1 and all(_THREE_DECIMALS.fullmatch(text) for text in typed):
        return (
            f"all numbers with decimals have exactly three, such as {min(typed)}: another program may have read a point"
            " between thousands as a decimal sign"
        )
    form = NumberFormat() if chosen is None else replace(chosen, scale=Decimal(1))
    texts = list(dict.fromkeys(cell.text for cell in cells if cell.kind not in NUMBERS))
    own = {text: read for text in texts if (read := form.read(text)) is not None}
    for name in reversed(PRESETS):
        found = {text: PRESETS[name].read(text) for text in own}
        differs = next((text for text, number in found.items() if number is not None and number != own[text]), None)
        if differs is not None and None not in found.values():
            return f"{differs} is {own[differs]} here; with number: {name} it is {found[differs]}"
    return None


def _quoted(text: str) -> str:
    return f'"{text}"' if any(ch in text for ch in " :,") and not text.startswith("[") else text
