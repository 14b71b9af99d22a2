"""The rows of a delivered file in which names were replaced: what archive/ keeps instead of the file.

A text of JSON lines. The first says what it is. Then comes a table for each extract that the file was read as: a line
that begins it, and a line for each row: its line in the delivered file, its fields, the kinds of its cells, and whether
it is malformed. The same rows give the same bytes, whatever writes them:
so a file that is delivered again is known again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from amkpi.ingestion.readers.decompression import ERASED
from amkpi.ingestion.readers.layout import Layout
from amkpi.ingestion.readers.record_batches import (
    BATCH_ROWS,
    MAX_COLUMNS,
    Tally,
    TextRows,
    Unreadable,
    batch,
)

ENDING = ".erased.jsonl"
# What broken rows can lead to: anybody can deliver a file that begins as these do.
_ERRORS = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
    pa.ArrowException,
)
_BROKEN = "not readable as rows of a file in which names were replaced: bring it back from its backup"


@dataclass(frozen=True)
class Table:
    """The rows of a file as one extract. source: the name of its mapping, empty without one; layout: as `layout_text`.

    tally: of reading the delivered file.
    """

    extract: str
    source: str
    layout: str
    header: tuple[str, ...]
    has_kinds: bool
    tally: Tally
    batches: Iterable[pa.Table]


def layout_text(layout: Layout) -> str:
    """A layout as text: equal for layouts that read a file in the same way."""

    def plain(value: object) -> Any:
        if isinstance(value, re.Pattern):
            return value.pattern
        if hasattr(value, "__dataclass_fields__"):
            default = type(value)()
            given = {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]
            return {name: plain(each) for name, each in given.items() if each != getattr(default, name)}
        return value

    return json.dumps(plain(layout), ensure_ascii=False, sort_keys=True)


def write(target: Path, tables: Iterable[Table]) -> None:
    """Write the tables to a new file. Raises OSError."""
    with target.open("w", encoding="utf-8", newline="\n") as file:
        file.write(ERASED.decode() + "\n")
        for table in tables:
            rows = iter(_rows(table))
            first = next(rows, None)
            begin = {
                "extract": table.extract, "source": table.source, "layout": table.layout, "header": table.header,
                "has_kinds": table.has_kinds,
            }  # fmt: skip
            file.write(_line(begin))
            if first is not None:
                file.write(first)
                file.writelines(rows)
            # The tally is complete once the rows were read.
            file.write(_line({"tally": asdict(table.tally)}))


def _line(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"


def _rows(table: Table) -> Iterator[str]:
    width = len(table.header)
    for part in table.batches:
        columns = [part.column(f"c{place}").to_pylist() for place in range(width)]
        lines, arrived = part.column("_line").to_pylist(), part.column("_row").to_pylist()
        malformed = part.column("_malformed").to_pylist()
        kinds = part.column("_kinds").to_pylist() if "_kinds" in part.column_names else [None] * len(lines)
        for number, line in enumerate(lines):
            row = json.loads(arrived[number]) if malformed[number] else [column[number] for column in columns]
            yield _line([line, row, kinds[number], malformed[number]])


def read(path: Path, extract: str, source: str, layout: Layout) -> TextRows:
    """The rows of a file as one extract. Raises Unreadable, also while the batches are read."""
    with path.open(encoding="utf-8") as file:
        next(file, None)
        try:
            begin, tally = _begin(iter(file), extract, source)
        except _ERRORS as error:
            raise Unreadable(_BROKEN) from error
    if begin is None:
        raise Unreadable(
            f"names in this file were replaced, and no rows of it are kept for {extract}: it was not read as that then"
        )
    if begin["layout"] != layout_text(layout):
        raise Unreadable(
            "names in this file were replaced, and only the rows are kept that its mapping read then: sheet, header,"
            " skip_after_header, stop_at, records and fill_down must be as they were"
        )
    header = tuple(begin["header"])
    if len(header) > MAX_COLUMNS:
        raise Unreadable(_BROKEN)
    has_kinds = bool(begin["has_kinds"])
    return TextRows(header, _batches(path, extract, source, len(header), has_kinds), has_kinds, tally)


def _begin(lines: Iterator[str], extract: str, source: str) -> tuple[dict[str, Any] | None, Tally]:
    """What the line that begins a table says, and its tally."""
    begin: dict[str, Any] | None = None
    for line in lines:
        if line.startswith("{"):
            content = json.loads(line)
            if begin is not None and "tally" in content:
                return begin, _tally(**content["tally"])
            if content.get("extract") == extract and content.get("source") == source:
                begin = content
                if not all(isinstance(name, str) for name in begin["header"]):
                    raise ValueError("a name of a column is no text")
    if begin is not None:
        raise ValueError("no tally")
    return None, Tally()


def _tally(notes: list[str], **counts: int) -> Tally:
    if not all(isinstance(count, int) for count in counts.values()) or not all(isinstance(note, str) for note in notes):
        raise ValueError("no counts")
    return Tally(**counts, notes=notes)


def _batches(path: Path, extract: str, source: str, width: int, has_kinds: bool) -> Iterator[pa.Table]:
    taken: list[list[Any]] = []
    is_here, last = False, 0
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("{"):
                    content = json.loads(line)
                    if is_here:
                        break
                    is_here = content.get("extract") == extract and content.get("source") == source
                elif is_here:
                    row = json.loads(line)
                    # A row is known by its delivery and line.
                    if row[0] <= last:
                        raise ValueError("lines are not in their order")
                    last = row[0]
                    taken.append(row)
                    if len(taken) == BATCH_ROWS:
                        yield _batch(taken, width, has_kinds)
                        taken = []
        if taken:
            yield _batch(taken, width, has_kinds)
    except _ERRORS as error:
        raise Unreadable(_BROKEN) from error


def _batch(rows: list[list[Any]], width: int, has_kinds: bool) -> pa.Table:
    malformed = [bool(row[3]) for row in rows]
    kinds = [row[2] for row in rows] if has_kinds else None
    return batch([row[1] for row in rows], [row[0] for row in rows], width, malformed=malformed, kinds=kinds)
