"""Readers: they turn a file of one format into rows of text with their line numbers.

A reader returns `TextRows`: the header and batches of Arrow tables. It only decides whether the file can be read. The
types, rules and keys of the rows are checked in `amkpi.ingestion.tables` and `amkpi.ingestion.validation.row_checks`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from amkpi.ingestion.readers.characters import cleaned, without_old_encodings
from amkpi.ingestion.readers.decompression import (
    DEFAULT_LIMIT,
    WORKBOOKS,
    Content,
    Member,
    ending,
    examine,
    examine_member,
    members,
)
from amkpi.ingestion.readers.delimited import read_csv
from amkpi.ingestion.readers.layout import CANONICAL, Layout
from amkpi.ingestion.readers.record_batches import (
    MAX_FIELD_CHARS,
    Tally,
    TextRows,
    Unreadable,
    batch_schema,
    loose,
    naming,
    together,
)

__all__ = [
    "CANONICAL",
    "MAX_FIELD_CHARS",
    "Content",
    "Layout",
    "Tally",
    "TextRows",
    "Unreadable",
    "batch_schema",
    "ending",
    "examine",
    "loose",
    "open_text",
    "read_csv",
]


def open_text(
    path: Path, content: Content, known: frozenset[str], limit: int = DEFAULT_LIMIT, layout: Layout = CANONICAL
) -> TextRows:
    """Open a file of any format, by the ending of its name.

    known: the names of the columns that the caller looks for, as `loose` gives them. limit: of the decompressed size,
    in bytes. layout: where the table is. Raises `Unreadable`.
    """
    if ending(path.name) == ".zip" and not content.problem:
        rows = _from_zip(path, known, limit, layout)
    else:
        rows = _opened(path, content, known, limit, layout)
    return cleaned(rows) if layout.native else rows


def _from_zip(path: Path, known: frozenset[str], limit: int, layout: Layout) -> TextRows:
    """The files of a zip as one table."""
    found = members(path, limit)

    def part(member: Member) -> TextRows:
        with naming(member.path):
            return _opened(member, examine_member(member, limit), known, limit, layout)

    return part(found[0]) if len(found) == 1 else together([(each.path, partial(part, each)) for each in found])


def _opened(path: Path | Member, content: Content, known: frozenset[str], limit: int, layout: Layout) -> TextRows:
    if content.problem:
        raise Unreadable(content.problem)
    return without_old_encodings(_read(path, content, known, limit, layout))


def _read(path: Path | Member, content: Content, known: frozenset[str], limit: int, layout: Layout) -> TextRows:
    kind = ending(path.name)
    text = kind.removesuffix(".gz").removesuffix(".zst")
    if text in (".csv", ".tsv", ".txt"):
        rows = read_csv(path, content.encoding, known, limit, layout)
        if text == ".txt" and len(rows.header) == 1 and known and loose(rows.header[0]) not in known:
            raise Unreadable(
                "the delimiter of this .txt is unclear: its header has none of , ; tab | between names; export it as"
                " .csv, or with tabs"
            )
        return rows
    if text in (".json", ".ndjson", ".jsonl"):
        from amkpi.ingestion.readers.json import read_json

        return read_json(path, content.encoding, limit, layout, by_line=text != ".json")
    if kind == ".parquet":
        from amkpi.ingestion.readers.parquet import read_parquet

        return read_parquet(path, limit, layout)
    if kind in WORKBOOKS:
        from amkpi.ingestion.readers.workbook import read_workbook

        return read_workbook(path, known, limit, layout)
    raise Unreadable(
        f"a file {'that ends in ' + kind if kind else 'without an ending'} cannot be read: deliver it as .csv, .tsv,"
        " .json, .ndjson, .parquet, .xlsx, .xlsb, .xls or .ods (text also compressed, as .csv.gz or .csv.zst; any"
        " of them in a .zip)"
    )
