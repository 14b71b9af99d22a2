"""The rows of a delivered file without the names of those who are erased.

Replaced is, by the declaration of the extracts (`personal`): in rows of the person or client, the name, the address,
and every column that nothing knows; in rows about a client, the title and the comment; in any row, a cell that is a
name or an address of somebody who is erased. A cell that also gives an id stays: ids are exact.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from amkpi.core.erasure.register import Erasures, Subject
from amkpi.ingestion.contracts.extracts import EXTRACTS, Extract
from amkpi.ingestion.contracts.native_line import LINES
from amkpi.ingestion.erasure import container
from amkpi.ingestion.mappings.apply import apply
from amkpi.ingestion.mappings.lookups import MARK, wanted
from amkpi.ingestion.mappings.model import Mapping as SourceMapping
from amkpi.ingestion.mappings.names import clean_cell, folded_cell
from amkpi.ingestion.readers import CANONICAL, Content, TextRows, Unreadable, examine, loose
from amkpi.ingestion.readers.record_batches import text_array
from amkpi.ingestion.readers.table_rows import base_name, column_places
from amkpi.ingestion.writer import open_native, places_of

# The extract whose rows describe a subject, and the column that says which.
OWN_ROWS = {"staff": ("staff", "staff_id"), "clients": ("client", "client_id")}
# In which column a row says of whom it speaks, by what its text may say.
ABOUT = {"person": ("staff", "staff_id"), "client": ("client", "client_id"), "free_text": ("client", "client_id")}

Target = tuple[str, SourceMapping | None]


@dataclass
class _Cells:
    """What to replace in a table.

    of_lines: place of the column → line → pseudonym; by_name: the places of the columns in which a whole cell may be a
    name; hidden: for malformed rows, the ids of subjects whose row it may be. own_lines: the rows of subjects; unknown:
    the places of the columns that the target does not know.
    """

    of_lines: dict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    by_name: tuple[int, ...] = ()
    hidden: Mapping[str, Subject] = field(default_factory=dict)
    own_lines: dict[int, str] = field(default_factory=dict)
    unknown: frozenset[int] = frozenset()
    header: tuple[str, ...] = ()


def erase_file(path: Path, content: Content, targets: Sequence[Target], erasures: Erasures, limit: int) -> Path | None:
    """Write the rows of the file without the names to a new file next to it, and return that; None if it has none.

    targets: the extracts that the file becomes, each with its mapping. limit: of the decompressed bytes. A file that
    cannot be read is left to the loader, which rejects it. Raises OSError.
    """
    found = _names(path, content, targets, erasures, limit)
    if found is None:
        return None
    partial = path.with_name(f".{path.name[:200]}.part")
    tables = (
        _table(path, content, EXTRACTS[extract], source, erasures, cells, limit)
        for (extract, source), cells in zip(targets, found, strict=True)
    )
    container.write(partial, tables)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    return partial


def has_names(path: Path, content: Content, targets: Sequence[Target], erasures: Erasures, limit: int) -> bool:
    """Whether `erase_file` would write a file."""
    return _names(path, content, targets, erasures, limit) is not None


def _names(
    path: Path, content: Content, targets: Sequence[Target], erasures: Erasures, limit: int
) -> list[_Cells] | None:
    """What to replace in the file, for each target; None if there is nothing, or the file cannot be read."""
    if not erasures.subjects or content.problem:
        return None
    try:
        found = [_find(path, content, EXTRACTS[extract], source, erasures, limit) for extract, source in targets]
        _hide_unknown(found)
        is_any = any(
            _changes(_open(path, content, EXTRACTS[extract], source, limit), erasures, cells)
            for (extract, source), cells in zip(targets, found, strict=True)
        )
    except Unreadable:
        return None
    return found if is_any else None


def erase_claimed(path: Path, content: Content, targets: Sequence[Target], erasures: Erasures, limit: int) -> Content:
    """Replace a claimed file by its rows without the names, if it has any; returns what is there then.

    Raises OSError.
    """
    written = erase_file(path, content, targets, erasures, limit)
    if written is None:
        return content
    written.replace(path)
    return examine(path, limit)


def _open(path: Path, content: Content, extract: Extract, source: SourceMapping | None, limit: int) -> TextRows:
    return open_native(path, content, extract, source, limit)


def _find(
    path: Path, content: Content, extract: Extract, source: SourceMapping | None, erasures: Erasures, limit: int
) -> _Cells:
    """Which cells of the file are to be replaced, by column and line. Raises Unreadable."""
    cells = _Cells()
    rows = _open(path, content, extract, source, limit)
    if not rows.header:
        return cells
    native = _native_places(extract, source, rows.header)
    ids = {place for name, places in native.items() if _is_exact(extract, source, name) for place in places}
    of_column = {name: [place for place in places if place not in ids] for name, places in native.items()}
    known = {place for places in native.values() for place in places}
    cells.unknown = frozenset(place for place in range(len(rows.header)) if place not in known)
    cells.header = rows.header
    cells.by_name = tuple(place for place in range(len(rows.header)) if place not in ids)
    own = OWN_ROWS.get(extract.name)
    if own:
        cells.hidden = {each.id: each for each in erasures.subjects if each.kind == own[0]}
    made = apply(source, rows) if source else rows
    placed = {name: place for place, name in enumerate(made.header)} if source else places_of(extract, made.header)
    key = [placed[name] for name in extract.key if name in placed]
    for batch in made.batches:
        # Where a mapping makes several rows of one native row, all have its line.
        lines = [line % LINES for line in batch.column("_line").to_pylist()]
        for column in extract.personal:
            kind, about = ABOUT[column.personal or "free_text"]
            if about in placed:
                values = batch.column(f"c{placed[about]}").to_pylist()
                for line, value in zip(lines, values, strict=True):
                    subject = _subject(kind, value, erasures)
                    if subject:
                        for place in of_column.get(column.name, ()):
                            cells.of_lines[place][line] = subject.pseudonym
                        if own:
                            cells.own_lines[line] = subject.pseudonym
            if len(key) == 1 and any(each[0] == extract.name and each[2] == column.name for each in erasures.texts):
                records = batch.column(f"c{key[0]}").to_pylist()
                for line, record in zip(lines, records, strict=True):
                    named = erasures.texts.get((extract.name, clean_cell(record or ""), column.name))
                    for place in of_column.get(column.name, ()) if named else ():
                        cells.of_lines[place][line] = named.pseudonym if named else ""
    return cells


def _hide_unknown(found: Sequence[_Cells]) -> None:
    """In rows of subjects, also replace the columns that a target does not know; in the same row as another target
    reads it, those that neither knows.
    """
    for one in found:
        for other in found:
            if one.header == other.header:
                for place in one.unknown & other.unknown:
                    other.of_lines[place].update(one.own_lines)


def _subject(kind: str, value: str | None, erasures: Erasures) -> Subject | None:
    """Who is erased and has this id, given as such or by what it is looked up by."""
    text = clean_cell(value or "")
    if text.startswith(MARK):
        found = erasures.named(wanted(text).value)
        return found if found and found.kind == kind else None
    subject = Subject(kind, text)  # type: ignore[arg-type]
    return subject if subject in erasures.subjects else None


def _native_places(extract: Extract, source: SourceMapping | None, header: Sequence[str]) -> dict[str, list[int]]:
    """The places of the native columns from which each column of the extract is made."""
    if source is None:
        return {name: [place] for name, place in places_of(extract, header).items()}
    made = {loose(name) for name in source.unpivot.new_columns} if source.unpivot else set()
    found: dict[str, list[int]] = {}
    for name, rule in source.columns.items():
        names = [native for native in rule.native_columns if loose(native) not in made]
        found[name] = [place for native in names for place in column_places(header, native)]
    of_rules = {place for places in found.values() for place in places}
    filters = {loose(base_name(name)) for condition in source.where for name in condition.columns}
    # What a filter or a reshaping reads decides which rows there are: as the text of no column, it stays.
    decisive = [
        place
        for place, title in enumerate(header)
        if loose(title) in filters or (loose(title) in source.native_columns and place not in of_rules)
    ]
    return found | {"is_deleted": [*found.get("is_deleted", []), *decisive]}


def _is_exact(extract: Extract, source: SourceMapping | None, name: str) -> bool:
    """Whether the column is no text: above all an id. One that is looked up is found by the pseudonym too."""
    column = extract.column(name)
    if source is not None and name in source.columns and source.columns[name].lookup is not None:
        return False
    is_id = name in extract.key or column.references is not None or name.endswith("_id")
    return is_id or column.type != "text" or bool(column.choices)


def _table(
    path: Path,
    content: Content,
    extract: Extract,
    source: SourceMapping | None,
    erasures: Erasures,
    cells: _Cells,
    limit: int,
) -> container.Table:
    rows = _open(path, content, extract, source, limit)
    return container.Table(
        extract.name,
        source.name if source else "",
        layout_of(source),
        rows.header,
        rows.has_kinds,
        rows.tally,
        (batch for batch, _ in _erased(rows, erasures, cells)),
    )


def layout_of(source: SourceMapping | None) -> str:
    """The layout by which a target reads a file, as text."""
    return container.layout_text(source.layout if source else CANONICAL)


def _changes(rows: TextRows, erasures: Erasures, cells: _Cells) -> bool:
    return any(changed for _, changed in _erased(rows, erasures, cells))


def _erased(rows: TextRows, erasures: Erasures, cells: _Cells) -> Iterator[tuple[pa.Table, int]]:
    """Each batch without the names, and how many cells of it changed."""
    for batch in rows.batches:
        lines = batch.column("_line").to_pylist()
        columns = {name: batch.column(name) for name in batch.column_names}
        changed = 0
        for place in range(len(rows.header)):
            of_lines = cells.of_lines.get(place, {})
            column = batch.column(f"c{place}")
            names = _by_name(column, erasures) if place in cells.by_name else {}
            if not of_lines and not names:
                continue
            before = column.to_pylist()
            after = [
                of_lines.get(line, names.get(cell, cell)) if cell and cell.strip() else cell
                for line, cell in zip(lines, before, strict=True)
            ]
            changed += sum(one != other for one, other in zip(before, after, strict=True))
            columns[f"c{place}"] = text_array(after)
        if batch.column("_row").null_count < batch.num_rows:
            before = batch.column("_row").to_pylist()
            after = [_malformed(row, erasures, cells.hidden) if row else row for row in before]
            changed += sum(one != other for one, other in zip(before, after, strict=True))
            columns["_row"] = text_array(after)
        yield pa.Table.from_pydict(columns, schema=batch.schema.remove_metadata()), changed


def _by_name(column: pa.ChunkedArray, erasures: Erasures) -> dict[str | None, str]:
    """The cells that are a name or an address of somebody who is erased → the pseudonym."""
    found: dict[str | None, str] = {}
    for cell in filter(None, column.unique().to_pylist()):
        subject = erasures.named(folded_cell(cell))
        if subject:
            found[cell] = subject.pseudonym
    return found


def _malformed(row: str, erasures: Erasures, hidden: Mapping[str, Subject]) -> str:
    """A malformed row as it arrived: without names; if it may be of somebody who is erased, without any other field."""
    fields = json.loads(row)
    if not isinstance(fields, list):
        return row
    of_row = next((hidden[clean_cell(each)] for each in fields if each and clean_cell(each) in hidden), None)
    new = []
    for each in fields:
        named = erasures.named(folded_cell(each)) if each else None
        subject = named or (of_row if each and clean_cell(each) not in hidden else None)
        new.append(subject.pseudonym if subject and each.strip() else each)
    return json.dumps(new, ensure_ascii=False) if new != fields else row
