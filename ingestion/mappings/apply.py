"""Source mappings: they turn a native export into one extract.

A mapping is a YAML file (`<name>.yml`), which is checked when it is read. `apply` turns the rows of the native file
into rows of the extract. They are still text: the same row rules apply to them as to any other delivery.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from amkpi.ingestion.mappings.cells import MIXED, converted
from amkpi.ingestion.mappings.expressions import Expression, evaluate, rows_as_json, sandbox, why
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.mappings.names import clean_cell
from amkpi.ingestion.mappings.reshape import reshaped
from amkpi.ingestion.mappings.rules import ColumnRule
from amkpi.ingestion.readers import TextRows, Unreadable, batch_schema, loose
from amkpi.ingestion.readers.record_batches import BAD_CELLS, TEXT, Tally, text_array
from amkpi.ingestion.readers.table_rows import column_places, several_columns

# The value in a date, number, boolean or choice column where an expression failed: the row rules reject it.
_FAILED = "(the mapping's sql fails on this row)"
# 128 bits of a hash: as good as any id of another system, and short enough to be read.
_ID_DIGITS = 32
_UNIT_SEPARATOR = "\x1f"
_BAD_CELLS = text_array(BAD_CELLS)


def unused_columns(mapping: Mapping, header: Sequence[str]) -> tuple[str, ...]:
    """The native columns of a header that the mapping does not use, in the order of the header."""
    used = mapping.native_columns
    return tuple(name.strip() for name in header if name.strip() and loose(name) not in used)


def apply(mapping: Mapping, rows: TextRows) -> TextRows:
    """The rows of the native file as rows of the mapping's extract, in the same order, with the native lines.

    The header has the columns that the mapping gives, in the order of the extract. A value that is not in its format
    becomes a text that the row rules reject. A malformed row stays malformed. Rows that a filter excludes are dropped
    and counted in the tally. Raises Unreadable if the file lacks a native column that the mapping needs, or has it
    twice, and (while iterating) if an expression fails on a row where no row rule would find it.
    """
    names = tuple(column.name for column in mapping.target.all_columns if column.name in mapping.columns)
    if not rows.header:
        return TextRows(names, rows.batches, tally=rows.tally)
    places = _places(mapping, rows.header, rows.tally.notes)
    return TextRows(names, _batches(mapping, names, places, rows), tally=rows.tally)


def _places(mapping: Mapping, header: Sequence[str], notes: Sequence[str]) -> dict[str, int]:
    """The place of each native column, by its name as written in the mapping. notes: of the reader."""
    found: dict[str, int] = {}
    missing: list[str] = []
    # Each once, in the order of the mapping.
    for name in dict.fromkeys(mapping.native_names()):
        places = column_places(header, name)
        if len(places) > 1:
            raise Unreadable(f"mapping {mapping.name}: {several_columns(header, name, places)}")
        if places:
            found[name] = places[0]
        else:
            missing.append(name)
    if missing:
        titles = ", ".join(title.strip() for title in header)
        where_it_looked = f" ({'; '.join(notes)})" if notes else ""
        raise Unreadable(
            f"mapping {mapping.name}: the file lacks the column {', '.join(missing)}; it has: {titles}{where_it_looked}"
        )
    return found


def _batches(mapping: Mapping, names: Sequence[str], places: dict[str, int], rows: TextRows) -> Iterator[pa.Table]:
    schema = batch_schema(len(names))
    rules = [mapping.columns[name] for name in names]
    # Each expression once, even if several columns use it.
    expressions = list(dict.fromkeys([*mapping.where, *(rule.sql for rule in rules if rule.sql is not None)]))
    ids = _Ids()
    with sandbox() as connection:
        for arrived in rows.batches:
            try:
                as_json = rows_as_json(connection, arrived, rows.header)
                new = reshaped(mapping, arrived, places, len(rows.header))
                native = new.native
                if native is not arrived:
                    as_json = as_json.take(new.rows)
                results = evaluate(connection, native, new.places, expressions) if expressions else []
            except duckdb.Error as error:
                reason = str(error).split("\n", 1)[0]
                raise Unreadable(f"mapping {mapping.name}: its sql cannot be evaluated: {reason}") from error
            batch = _Batch(
                mapping, connection, native, new.places, dict(zip(expressions, results, strict=True)), ids, rows.tally
            )
            kept = batch.kept()
            columns = [batch.column(name, rule, kept) for name, rule in zip(names, rules, strict=True)]
            columns = batch.checked_currencies(names, columns)
            line = native.column("_line").combine_chunks()
            table = pa.Table.from_arrays([*columns, line, batch.malformed, as_json], schema=schema).filter(kept)
            rows.tally.filtered += native.num_rows - table.num_rows + new.dropped
            if table.num_rows:
                yield table
    if ids.numbered:
        rows.tally.notes.append(
            f"id_from: {ids.numbered} rows have the same values as rows before them and are numbered; if their other"
            " columns differ, id_from lacks a column"
        )


@dataclass
class _Ids:
    """The ids that `id_from` made in this file, and how often: equal rows of one file are different things."""

    seen: Counter[str] = field(default_factory=Counter)

    @property
    def numbered(self) -> int:
        """How many ids have a number, because an earlier row of the file has the same values."""
        return self.seen.total() - len(self.seen)

    def next(self, cells: Sequence[str | None]) -> str | None:
        """The id of a row with these cells; None if all are empty."""
        clean = [clean_cell(cell or "") for cell in cells]
        if not any(clean):
            return None
        digest = hashlib.sha256(_UNIT_SEPARATOR.join(clean).encode()).hexdigest()[:_ID_DIGITS]
        self.seen[digest] += 1
        return digest if self.seen[digest] == 1 else f"{digest}-{self.seen[digest]}"


@dataclass(frozen=True)
class _Batch:
    """One batch of native rows, with the results of the expressions (null: it failed on that row)."""

    mapping: Mapping
    connection: duckdb.DuckDBPyConnection
    native: pa.Table
    places: dict[str, int]
    results: dict[Expression, pa.Array]
    ids: _Ids
    tally: Tally

    @cached_property
    def malformed(self) -> pa.Array:
        """Which rows have more or fewer fields than the header. Filters and expressions do not apply to them."""
        return self.native.column("_malformed").combine_chunks()

    def kept(self) -> pa.Array:
        """Which rows the filters keep. A filter is applied only to the rows that the filters before it kept."""
        well = pc.invert(self.malformed)
        for number, condition in enumerate(self.mapping.where):
            self._refuse_failures(f"where.{number}", condition, well)
            well = pc.and_(well, pc.fill_null(pc.equal(self.results[condition], "true"), False))
        return pc.or_(well, self.malformed)

    def column(self, name: str, rule: ColumnRule, kept: pa.Array) -> pa.Array:
        """The values of one column of the extract."""
        column = self.mapping.target.column(name)
        evaluated = pc.and_(kept, pc.invert(self.malformed))
        if rule.constant is not None:
            return pc.if_else(evaluated, pa.scalar(rule.constant, pa.string()), pa.scalar(None, pa.string()))
        if rule.id_from:
            return self._made_ids(rule, evaluated)
        if rule.sql is None:
            assert rule.column is not None
            place = self.places[rule.column]
            cells = self.native.column(f"c{place}").combine_chunks()
            return converted(cells, self._kinds(place), rule, column, self.mapping)
        is_checked = column.type != "text" or column.choices or column.currency
        if not is_checked:
            self._refuse_failures(f"columns.{name}.sql", rule.sql, evaluated)
        kinds = self._kinds_of_results(rule, rule.sql)
        values = pc.fill_null(converted(self.results[rule.sql], kinds, rule, column, self.mapping), _FAILED)
        return pc.if_else(evaluated, self._with_bad_cells(values, rule), pa.scalar(None, pa.string()))

    def checked_currencies(self, names: Sequence[str], columns: list[pa.Array]) -> list[pa.Array]:
        """The columns, in which an amount with the sign of another currency than its row's is refused."""
        if "currency" not in names:
            return columns
        currency = columns[names.index("currency")].to_pylist()
        for place, name in enumerate(names):
            rule = self.mapping.columns[name]
            form = rule.number_format
            if form is None or not form.loose or (rule.column is None and rule.sql is None):
                continue
            if rule.sql is not None:
                cells = self.results[rule.sql]
            else:
                cells = self.native.column(f"c{self.places[rule.column or '']}")
            signs = [form.currencies(cell) if cell else None for cell in cells.to_pylist()]
            if any(sign is not None for sign in signs):
                of_row = zip(columns[place].to_pylist(), signs, currency, strict=True)
                columns[place] = text_array(
                    [
                        f"{value} {' or '.join(sign)} (the currency of the row is {given})"
                        if sign and given and given not in sign
                        else value
                        for value, sign, given in of_row
                    ]
                )
        return columns

    def _kinds(self, place: int) -> pa.Array | None:
        """The kind of each cell of the native column; None if the file has only texts."""
        if "_kinds" not in self.native.column_names:
            return None
        kinds = self.native.column("_kinds").combine_chunks()
        return None if kinds.null_count == len(kinds) else pc.utf8_slice_codeunits(kinds, place, place + 1)

    def _kinds_of_results(self, rule: ColumnRule, expression: Expression) -> pa.Array | None:
        """The kind of each result of an expression: that of the cell which it gave unchanged; None if all are texts.

        A text that was made of a typed cell is `MIXED`: no format can be right for it and for texts alike.
        """
        if "_kinds" not in self.native.column_names or not (rule.formats or rule.number_format):
            return None
        kinds = [kind or "" for kind in self.native.column("_kinds").to_pylist()]
        places = [self.places[name] for name in expression.columns]
        cells = [self.native.column(f"c{place}").to_pylist() for place in places]
        found = []
        for row, result in enumerate(self.results[expression].to_pylist()):
            of_row = [
                (clean_cell(texts[row] or ""), kinds[row][place : place + 1] or TEXT)
                for place, texts in zip(places, cells, strict=True)
            ]
            same = [kind for text, kind in of_row if text == result]
            typed = [kind for _, kind in of_row if kind != TEXT]
            found.append(next((kind for kind in same if kind != TEXT), TEXT) if same or not typed else MIXED)
        return text_array(found)

    def _made_ids(self, rule: ColumnRule, evaluated: pa.Array) -> pa.Array:
        cells = [self.native.column(f"c{self.places[name]}").to_pylist() for name in rule.id_from]
        made = [
            self.ids.next(row) if is_kept else None
            for row, is_kept in zip(zip(*cells, strict=True), evaluated.to_pylist(), strict=True)
        ]
        return self._with_bad_cells(text_array(made), rule)

    def _with_bad_cells(self, values: pa.Array, rule: ColumnRule) -> pa.Array:
        """The values, but the error itself where a cell that the rule needs is one: it must not become a value."""
        if "_kinds" not in self.native.column_names:
            return values
        for name in rule.native_columns:
            cells = self.native.column(f"c{self.places[name]}").combine_chunks()
            values = pc.if_else(pc.is_in(cells, value_set=_BAD_CELLS), cells, values)
        return values

    def _refuse_failures(self, key: str, expression: Expression, asked: pa.Array) -> None:
        failed = pc.and_(asked, pc.is_null(self.results[expression]))
        row = pc.index(failed, True).as_py()
        if row >= 0:
            line = self.native.column("_line")[row].as_py()
            reason = why(self.connection, self.native.slice(row, 1), self.places, expression)
            raise Unreadable(
                f"mapping {self.mapping.name}: {key} fails on line {line}: {reason}; correct the row, or use"
                " try_cast in the mapping"
            )
