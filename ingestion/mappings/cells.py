"""Native cells as values of the extract: value map, lookup, date and number format of a rule."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa

from amkpi.ingestion.contracts.extracts import Column
from amkpi.ingestion.mappings.lookups import lookup_text
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.mappings.names import clean_cell, folded_cell
from amkpi.ingestion.mappings.rules import OTHERWISE, ColumnRule
from amkpi.ingestion.mappings.values.canonical import refused
from amkpi.ingestion.mappings.values.dates import DateReader, date_formats, serial_of_1900
from amkpi.ingestion.mappings.values.numbers import NumberFormat, is_ambiguous
from amkpi.ingestion.readers.record_batches import (
    BAD_CELLS,
    MOMENT,
    NUMBER_1904,
    NUMBERS,
    SHORTENED_ID,
    TEXT,
    text_array,
)

_ISO = date_formats(("iso",))
_PLAIN = NumberFormat()
# A spreadsheet shows a long number like this, and writes it like this into a CSV: its last digits are lost.
SHORTENED = r"[0-9]([.,][0-9]+)?[eE]\+[0-9]{1,3}"
_SHORTENED = re.compile(SHORTENED)

# The kind of a text that an expression made of a cell that is a number or a date in its file.
MIXED = "x"

_MADE_OF_TYPED = "(made of a typed cell by sql: let sql cast it, and remove the format)"

_Convert = Callable[[str, str], str]


def converted(values: pa.Array, kinds: pa.Array | None, rule: ColumnRule, column: Column, mapping: Mapping) -> pa.Array:
    """The values after the conversions of the rule; a value that does not fit as in `refused`.

    kinds: the kind of each cell; None if all are texts.
    """
    convert = _converter(rule, column, mapping)
    if convert is None:
        return values
    # Each distinct value once: a column of dates or stages has few.
    if kinds is None:
        encoded = values.dictionary_encode()
        return text_array([convert(value, TEXT) for value in encoded.dictionary.to_pylist()]).take(encoded.indices)
    known: dict[tuple[str, str], str] = {}
    made: list[str | None] = []
    for value, kind in zip(values.to_pylist(), kinds.to_pylist(), strict=True):
        if value is None:
            made.append(None)
            continue
        key = (value, kind or TEXT)
        if key not in known:
            known[key] = convert(*key)
        made.append(known[key])
    return text_array(made)


def _converter(rule: ColumnRule, column: Column, mapping: Mapping) -> _Convert | None:
    """What makes a value of the column of a cell and its kind; None if every cell stays as it is."""
    targets = {folded_cell(key): target for key, target in (rule.values or {}).items() if key != OTHERWISE}
    otherwise = (rule.values or {}).get(OTHERWISE)
    read = _reader(rule, column, mapping)
    if not targets and otherwise is None and read is None:
        return None

    def convert(value: str, kind: str) -> str:
        clean = clean_cell(value)
        if not clean or value in BAD_CELLS:
            return value
        if targets:
            found = targets.get(folded_cell(clean))
            if found is not None:
                return found
        if otherwise is not None:
            return otherwise
        return value if read is None else read(value, kind)

    return convert


def _reader(rule: ColumnRule, column: Column, mapping: Mapping) -> _Convert | None:
    """What reads a cell of this kind by the type of the column; None if it stays as it is."""
    from_text = rule.sql is None or rule.sql.type == "VARCHAR"
    if rule.lookup is not None:
        lookup = rule.lookup
        return lambda value, kind: lookup_text(lookup.extract, lookup.by, clean_cell(value))
    if column.type in ("date", "timestamp") and from_text:
        return _moments(rule, column, mapping)
    if column.type == "number" and (from_text or rule.scale is not None):
        return _numbers(rule, column, from_text=from_text)
    if column.type == "text" and rule.sql is None and (column.name in mapping.target.key or column.references):
        return _id
    return None


def _moments(rule: ColumnRule, column: Column, mapping: Mapping) -> _Convert:
    local = mapping.zone if mapping.time_zone == "local" else None
    texts = DateReader(rule.formats, local, mapping.written_in)
    # A cell that is a date in its file is never read by a format for texts.
    typed = DateReader(_ISO, local or mapping.zone, mapping.written_in)
    is_timestamp = column.type == "timestamp"

    def read(value: str, kind: str) -> str:
        clean = clean_cell(value)
        if kind == MIXED and rule.formats:
            return f"{value} {_MADE_OF_TYPED}"
        if kind == MOMENT:
            found = typed.read(clean, timestamp=is_timestamp)
        elif not rule.formats:
            return value
        else:
            serial = serial_of_1900(clean) if kind == NUMBER_1904 else clean
            found = texts.read(serial, timestamp=is_timestamp)
        return refused(value, column) if found is None else found

    return read


def _numbers(rule: ColumnRule, column: Column, *, from_text: bool) -> _Convert:
    form = rule.number_format
    typed = NumberFormat(scale=form.scale) if form else _PLAIN

    def read(value: str, kind: str) -> str:
        clean = clean_cell(value)
        if kind == MIXED and form is not None:
            return f"{value} {_MADE_OF_TYPED}"
        if kind in NUMBERS or not from_text:
            return value if form is None else typed.read(clean) or refused(value, column)
        if is_ambiguous(clean) and not rule.says_thousands:
            return f"{value} (450.000 can be 450 or 450000: the mapping needs number: vi, en or plain)"
        if form is None:
            return value
        found = form.read(clean)
        return refused(value, column) if found is None else found

    return read


def _id(value: str, kind: str) -> str:
    """The id as it is, unless a spreadsheet has shortened it: its last digits are lost."""
    return SHORTENED_ID if kind == TEXT and _SHORTENED.fullmatch(clean_cell(value)) else value
