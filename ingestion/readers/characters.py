"""Characters that do harm in any format: those that nobody sees, and Vietnamese text from before Unicode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from amkpi.ingestion.readers.record_batches import INVISIBLE, Tally, TextRows, Unreadable, text_array

# White space that looks like a plain space.
_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f"
_PLAIN_SPACES = dict.fromkeys(map(ord, _SPACES), " ")
# Joiners have a meaning between letters of other scripts, and between the parts of an emoji.
_JOINERS = "\u200c\u200d"
_LATIN = r"\x00-\u036f\u1e00-\u1eff"
_REMOVED = re.compile(
    f"[{''.join(sorted(set(INVISIBLE) - set(_JOINERS)))}]|(?<![^{_LATIN}])[{_JOINERS}]|[{_JOINERS}](?![^{_LATIN}])"
)
_ODD = f"[{_SPACES}{INVISIBLE}]"
# The first bytes of these characters in UTF-8: searching for them is fast.
_BEGINNINGS = sorted({ch.encode()[:2] for ch in _SPACES + INVISIBLE})

_SAMPLE_ROWS = 2_000
# Letters of TCVN3, read as Latin-1, within words: «, × and others are there between letters in no other text. They are
# ă â ê ô ơ à ả á ạ ắ ằ ẳ ì ữ. ® (đ) is only at the beginning of a word.
_TCVN3 = re.compile(r"(?<=[A-Za-z])[¨©ª«¬µ¶¸¹¾»¼½×÷](?=[A-Za-z])|(?<![A-Za-z0-9])®(?=[A-Za-zÀ-ÿ])")
# VNI writes a tone and a circumflex as a letter of its own after the vowel; pairs that French or Danish has too are not
# in this list.
_VNI = re.compile(r"[aeo]â|[aeuyôö]ù|[aeouyôö]ø|[aeo]å|[ôö][ïûõ]|a[àáãä]|e[àá]", re.IGNORECASE)
_FEWEST = 3
_OLD_ENCODINGS = (("TCVN3 (a font such as .VnTime)", _TCVN3, 3, 0.15), ("VNI (a font such as VNI-Times)", _VNI, 3, 0.3))


def clean_text(text: str) -> str:
    """The text without invisible characters, and with plain spaces."""
    return _REMOVED.sub("", text.translate(_PLAIN_SPACES))


def cleaned(rows: TextRows) -> TextRows:
    """The same rows without invisible characters in their cells; the changed cells are counted in the tally."""
    return replace(rows, batches=_cleaned(rows.batches, len(rows.header), rows.tally))


def _cleaned(batches: Iterator[pa.Table], width: int, tally: Tally) -> Iterator[pa.Table]:
    for batch in batches:
        result = batch
        for place in range(width):
            column = batch.column(place).combine_chunks()
            if not _may_be_odd(column):
                continue
            odd = pc.fill_null(pc.match_substring_regex(column, _ODD), False)
            before = column.filter(odd).to_pylist()
            after = [clean_text(cell) for cell in before]
            changed = sum(old != new for old, new in zip(before, after, strict=True))
            if changed:
                tally.cleaned += changed
                new = pc.replace_with_mask(column, odd, text_array(after))
                # What was between a space and a mark may now be at the end of the cell.
                result = result.set_column(place, batch.schema.field(place), new).replace_schema_metadata(None)
        yield result


def _may_be_odd(column: pa.Array) -> bool:
    data = column.buffers()[2]
    if data is None:
        return False
    content = data.to_pybytes()
    return not content.isascii() and any(beginning in content for beginning in _BEGINNINGS)


def without_old_encodings(rows: TextRows) -> TextRows:
    """The same rows; while iterating, Unreadable is raised if the first of them are in an old Vietnamese encoding."""
    return replace(rows, batches=_checked(rows))


def _checked(rows: TextRows) -> Iterator[pa.Table]:
    is_first = True
    for batch in rows.batches:
        if is_first:
            first = batch.slice(0, _SAMPLE_ROWS)
            cells = (cell for place in range(len(rows.header)) for cell in first.column(place).to_pylist() if cell)
            name = old_encoding("\n".join([*rows.header, *cells]))
            if name is not None:
                raise Unreadable(
                    f"its text is in {name}, not in Unicode: convert it (in UniKey: Ctrl+Shift+F6), and deliver it"
                    " again"
                )
            is_first = False
        yield batch


def old_encoding(text: str) -> str | None:
    """The old Vietnamese encoding that the text surely is in; None if it is not."""
    foreign = sum(not ch.isascii() for ch in text)
    for name, sign, kinds, share in _OLD_ENCODINGS:
        found = sign.findall(text)
        if len(found) >= max(_FEWEST, share * foreign) and len(set(found)) >= kinds:
            return name
    return None
