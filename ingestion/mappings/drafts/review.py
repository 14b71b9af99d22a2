"""What a mapping makes of a native file, for the person who writes it: nothing is loaded."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from amkpi.ingestion import writer
from amkpi.ingestion.contracts.extracts import Extract
from amkpi.ingestion.contracts.native_line import native_line
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.mappings.apply import unused_columns
from amkpi.ingestion.mappings.drafts import guesses
from amkpi.ingestion.mappings.drafts.against_home import AgainstHome, compare
from amkpi.ingestion.mappings.drafts.sample import Cell, Sample, sample_in
from amkpi.ingestion.mappings.lookups import MARK, wanted
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.mappings.names import folded_cell
from amkpi.ingestion.mappings.rules import OTHERWISE, ColumnRule
from amkpi.ingestion.readers import Tally, examine, loose
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.validation import repeated_keys
from amkpi.ingestion.validation.lookups import is_not_found
from amkpi.ingestion.validation.repeated_keys import RepeatedKeys

SHOWN_ROWS = 10
_MOST_VALUES = 10


@dataclass(frozen=True)
class HeldBack:
    """Rows that break the same rule of their own.

    lines: the first and the last. example: the value of the column in the first; advice: the keys that would read the
    values of the column, if they are clear.
    """

    reason: str
    column: str | None
    rows: int
    lines: tuple[int, int]
    example: str | None = None
    advice: str | None = None


@dataclass(frozen=True)
class MappingReview:
    """What a mapping makes of a file.

    rows: how many it makes. tally: what was left out. values: for each column of the extract that the mapping gives,
    the native text (None where there is not one) and the value of the first rows, each pair once. ranges: the lowest
    and highest date or number. doubts: what the values could mean as well. unmapped: the values of a column of choices
    that are none of the choices, with their rows; by_otherwise: the native values that `otherwise` took. looked_up: how
    many values of a column are looked up when the file is loaded. unused: the native columns that nothing uses.
    against_home: what the file means for HOME; None if none was given.
    """

    rows: int
    tally: Tally
    values: dict[str, list[tuple[str | None, str]]]
    ranges: dict[str, tuple[str, str]]
    doubts: list[str]
    keys: int
    repeated: RepeatedKeys
    unmapped: dict[str, list[tuple[str, int]]]
    by_otherwise: dict[str, list[tuple[str, int]]]
    looked_up: dict[str, int]
    held: list[HeldBack]
    unused: tuple[str, ...]
    against_home: AgainstHome | None = None


def review(file: Path, source: Mapping, warehouse: Path | None = None) -> MappingReview:
    """Read the file by the mapping, in memory. The rules are the loader's, but rates are not checked.

    warehouse: of HOME, for references, lookups and deletions; None to leave them out. Raises Unreadable if the file or
    one of its rows cannot be read by the mapping, and HomeUnread if the warehouse cannot be read.
    """
    extract = source.target
    content = examine(file)
    delivery = Delivery(
        1, 1, file.name, extract.name, source.name, content.sha256, content.size, "loaded", None, 0, datetime.now(UTC)
    )
    sample = sample_in(file, source.native_columns, source.layout)
    with duckdb.connect() as connection:
        create_tables(connection)
        opened = writer.open_rows(file, content, extract, source)
        rows = writer.write_rows(connection, extract, opened, delivery)
        found = MappingReview(
            rows=rows,
            tally=opened.tally,
            values=_values(connection, source),
            ranges=_ranges(connection, extract),
            doubts=_doubts(source, sample),
            keys=_keys(connection, extract),
            repeated=repeated_keys.find(connection, extract, delivery.delivery),
            unmapped=_unmapped(connection, extract),
            by_otherwise=_by_otherwise(source, sample),
            looked_up=_looked_up(connection, source),
            held=[_with_advice(each, source, sample) for each in _held(connection, extract)],
            unused=unused_columns(source, sample.header),
        )
        if warehouse is None:
            return found
        # Last, because rows of HOME then lie beside those of the file.
        return replace(found, against_home=compare(connection, source, delivery, warehouse))


def _values(connection: duckdb.DuckDBPyConnection, source: Mapping) -> dict[str, list[tuple[str | None, str]]]:
    names = [column.name for column in source.target.all_columns if column.name in source.columns]
    rows = connection.execute(
        f"select _row, {', '.join(names)} from raw.{source.target.name} where not _malformed order by _line"
        f" limit {SHOWN_ROWS}"
    ).fetchall()
    found: dict[str, list[tuple[str | None, str]]] = {name: [] for name in names}
    for row_text, *cells in rows:
        native = {loose(title): value for title, value in json.loads(row_text).items()}
        for name, cell in zip(names, cells, strict=True):
            column = source.columns[name].column
            text = None if column is None else native.get(loose(column))
            pair = (text, _shown(cell))
            if pair not in found[name]:
                found[name].append(pair)
    return found


def _shown(cell: str | None) -> str:
    """A value as a person reads it: what is looked up by its words."""
    if cell and cell.startswith(MARK):
        what = wanted(cell)
        return f"({what.extract} with {what.by} {what.value})"
    return cell or ""


def _ranges(connection: duckdb.DuckDBPyConnection, extract: Extract) -> dict[str, tuple[str, str]]:
    found = {}
    for column in extract.all_columns:
        if column.type in ("date", "number", "timestamp"):
            low, high = connection.execute(
                f"select cast(min({column.name}) as varchar), cast(max({column.name}) as varchar)"
                f" from parsed.{extract.name} where _reason is null"
            ).fetchall()[0]
            if low is not None:
                found[column.name] = (low.removesuffix(".0"), high.removesuffix(".0"))
    return found


def _doubts(source: Mapping, sample: Sample) -> list[str]:
    """What the texts could mean besides what the mapping says."""
    found = []
    for name, rule in source.columns.items():
        cells = _cells(rule, sample)
        if not cells:
            continue
        if rule.formats:
            doubt = guesses.other_days(rule.date_format[0], cells)
        elif source.target.column(name).type == "number":
            doubt = guesses.other_numbers(rule.number_format, cells)
        else:
            doubt = None
        if doubt:
            found.append(f"{name}: {doubt}")
    return found


def _keys(connection: duckdb.DuckDBPyConnection, extract: Extract) -> int:
    key = ", ".join(extract.key)
    return int(
        connection.execute(f"select count(*) from (select distinct {key} from parsed.{extract.name})").fetchall()[0][0]
    )


def _unmapped(connection: duckdb.DuckDBPyConnection, extract: Extract) -> dict[str, list[tuple[str, int]]]:
    found = {}
    for column in extract.columns:
        if column.choices:
            choices = ", ".join(f"'{choice}'" for choice in column.choices)
            rows = connection.execute(
                f"select {column.name}, count(*) from parsed.{extract.name} where {column.name} not in ({choices})"
                f" group by all order by 2 desc, 1 limit {_MOST_VALUES}"
            ).fetchall()
            if rows:
                found[column.name] = [(value, count) for value, count in rows]
    return found


def _by_otherwise(source: Mapping, sample: Sample) -> dict[str, list[tuple[str, int]]]:
    """The native values that no key of a value map has, where `otherwise` took them, with their rows."""
    found = {}
    for name, rule in source.columns.items():
        if rule.values and OTHERWISE in rule.values:
            mapped = {folded_cell(key) for key in rule.values}
            cells = _cells(rule, sample)
            counts = Counter(cell.text for cell in cells if folded_cell(cell.text) not in mapped)
            if counts:
                found[name] = counts.most_common(_MOST_VALUES)
    return found


def _cells(rule: ColumnRule, sample: Sample) -> list[Cell]:
    """The cells of the native column of a rule."""
    titles = {loose(title): title for title in sample.columns}
    title = titles.get(loose(rule.column)) if rule.column else None
    return [] if title is None else sample.filled(title)


def _with_advice(held: HeldBack, source: Mapping, sample: Sample) -> HeldBack:
    rule = source.columns.get(held.column or "")
    if held.reason != "bad_type" or rule is None:
        return held
    type_of = source.target.column(held.column or "").type
    cells = _cells(rule, sample)
    guess = guesses.numbers(cells) if type_of == "number" else guesses.dates(cells) if type_of == "date" else None
    return replace(held, advice=guess.keys[0]) if guess and guess.keys else held


def _looked_up(connection: duckdb.DuckDBPyConnection, source: Mapping) -> dict[str, int]:
    return {
        name: int(
            connection.execute(
                f"select count(distinct {name}) from raw.{source.target.name} where {is_not_found(name)}"
            ).fetchall()[0][0]
        )
        for name, rule in source.columns.items()
        if rule.lookup is not None
    }


def _held(connection: duckdb.DuckDBPyConnection, extract: Extract) -> list[HeldBack]:
    rows = connection.execute(
        f"select _reason, _column, count(*), min({native_line('_line')}), max({native_line('_line')}), min(_line)"
        f" from parsed.{extract.name}"
        " where _reason is not null group by all order by 3 desc, 1, 2"
    ).fetchall()
    found = []
    for reason, column, count, low, high, first in rows:
        example = None
        if column is not None:
            ((example,),) = connection.execute(
                f"select {column} from raw.{extract.name} where _line = ?", [first]
            ).fetchall()
        found.append(HeldBack(reason, column, count, (low, high), example or None))
    return found
