"""Native rows that become several rows: `unpivot` and `split` of a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from amkpi.ingestion.contracts.native_line import LINES
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.mappings.names import clean_cell
from amkpi.ingestion.readers.record_batches import TEXT, batch_schema, text_array


@dataclass(frozen=True)
class Reshaped:
    """A batch after `unpivot` and `split`.

    native: the batch; the columns that were made follow the native ones. places: the place of each column, by its name
    as the mapping writes it. rows: for each row, the place of its native row in the batch before. dropped: the rows
    without any cell that were left out.
    """

    native: pa.Table
    places: dict[str, int]
    rows: pa.Array
    dropped: int


def reshaped(mapping: Mapping, native: pa.Table, places: dict[str, int], width: int) -> Reshaped:
    """Apply `unpivot`, then `split`. width: the number of native columns in the batch."""
    if mapping.unpivot is None and mapping.split is None:
        return Reshaped(native, places, pa.nulls(0, pa.int64()), 0)
    rows = [_Row(place, ()) for place in range(native.num_rows)]
    malformed = native.column("_malformed").to_pylist()
    made: list[str] = []
    places = dict(places)
    if mapping.unpivot is not None:
        rows = [each for row in rows for each in _unpivoted(mapping, native, places, row, malformed[row.place])]
        made += mapping.unpivot.new_columns
        places.update({name: width + number for number, name in enumerate(mapping.unpivot.new_columns)})
    split_at = None
    if mapping.split is not None:
        split_at = places[mapping.split.column]
        cells = None if split_at >= width else native.column(f"c{split_at}").to_pylist()
        rows = [
            each
            for row in rows
            for each in _split(row, cells, split_at - width, mapping.split.by, malformed[row.place])
        ]
    rows = list(_numbered(rows))
    kept = [row for row in rows if malformed[row.place] or not _is_empty(row)]
    table = _taken(native, kept, width, len(made), split_at)
    return Reshaped(table, places, table.column("_native_row").combine_chunks(), len(rows) - len(kept))


@dataclass(frozen=True)
class _Row:
    """One row to be: the place of its native row, its new cells, the part of a split cell, and its place among all.

    kinds: of the new cells, as those that they were taken from.
    """

    place: int
    made: tuple[str | None, ...]
    kinds: str = ""
    part: str | None = None
    number: int = 0


def _unpivoted(
    mapping: Mapping, native: pa.Table, places: dict[str, int], row: _Row, malformed: bool
) -> Iterator[_Row]:
    assert mapping.unpivot is not None
    if malformed:
        new = len(mapping.unpivot.new_columns)
        yield _Row(row.place, (None,) * new, TEXT * new)
        return
    kinds = native.column("_kinds")[row.place].as_py() if "_kinds" in native.column_names else None
    for name, columns in mapping.unpivot.parts():
        cells = (native.column(f"c{places[column]}")[row.place].as_py() for column in columns)
        of_cells = (kinds[places[column]] if kinds else TEXT for column in columns)
        yield _Row(row.place, (name, *cells), TEXT + "".join(of_cells))


def _split(row: _Row, cells: Sequence[str | None] | None, made_at: int, by: str, malformed: bool) -> Iterator[_Row]:
    cell = row.made[made_at] if cells is None else cells[row.place]
    parts = [part for part in (clean_cell(each) for each in (cell or "").split(by)) if part]
    if malformed or not parts:
        yield row
        return
    for part in parts:
        made = row.made if cells is not None else (*row.made[:made_at], part, *row.made[made_at + 1 :])
        yield _Row(row.place, made, row.kinds, part)


def _numbered(rows: Sequence[_Row]) -> Iterator[_Row]:
    before = -1
    number = 0
    for row in rows:
        number = number + 1 if row.place == before else 0
        before = row.place
        yield _Row(row.place, row.made, row.kinds, row.part, number)


def _is_empty(row: _Row) -> bool:
    """Whether all cells that `unpivot` gave the row are empty."""
    return len(row.made) > 1 and not any(cell and clean_cell(cell) for cell in row.made[1:])


def _taken(native: pa.Table, rows: Sequence[_Row], width: int, made: int, split_at: int | None) -> pa.Table:
    indices = pa.array([row.place for row in rows], pa.int64())
    has_kinds = "_kinds" in native.column_names
    taken = native.take(indices)
    columns = [taken.column(f"c{place}").combine_chunks() for place in range(width)]
    if split_at is not None and split_at < width:
        whole = columns[split_at].to_pylist()
        parts = [row.part if row.part is not None else cell for row, cell in zip(rows, whole, strict=True)]
        columns[split_at] = text_array(parts)
    columns += [text_array([row.made[place] for row in rows]) for place in range(made)]
    numbers = pa.array([row.number * LINES for row in rows], pa.int64())
    rest = [
        pc.add(taken.column("_line").combine_chunks(), numbers),
        taken.column("_malformed").combine_chunks(),
        taken.column("_row").combine_chunks(),
    ]
    if has_kinds:
        native_kinds = taken.column("_kinds").to_pylist()
        kinds = [None if own is None else own + row.kinds for own, row in zip(native_kinds, rows, strict=True)]
        rest.append(text_array(kinds))
    schema = batch_schema(width + made, has_kinds=has_kinds).append(pa.field("_native_row", pa.int64()))
    return pa.Table.from_arrays([*columns, *rest, indices], schema=schema)
