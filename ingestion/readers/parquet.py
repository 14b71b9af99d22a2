"""Parquet: each typed cell as the text that a person would write for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from amkpi.ingestion.readers.decompression import DEFAULT_LIMIT, Member, opened
from amkpi.ingestion.readers.layout import CANONICAL, Layout, StopAt
from amkpi.ingestion.readers.record_batches import (
    BATCH_ROWS,
    BOOLEAN,
    MOMENT,
    NUMBER,
    TEXT,
    TextRows,
    Unreadable,
    batch_of_columns,
    checked_header,
)

_THRIFT_LIMIT = 64 << 20
_MOST_OF_A_BATCH = 512 << 20
_MIDNIGHT = r"^(\d{4}-\d\d-\d\d) 00:00:00(\.0+)?$"
# What pyarrow raises on bytes that are not Parquet, or use a feature that it does not know.
_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError)


def read_parquet(path: Path | Member, limit: int = DEFAULT_LIMIT, layout: Layout = CANONICAL) -> TextRows:
    """Open a Parquet file; the line of a row is its number from 1. limit: of the decompressed size, in bytes.

    Its columns have names and types, so a layout has nothing to say but `native`. Raises `Unreadable`.
    """
    if layout.stop_at != StopAt() or layout.fill_down or layout.skip_after_header:
        raise Unreadable(
            "stop_at, fill_down and skip_after_header are for text and workbooks: remove them from the mapping, or do"
            " not let it take Parquet"
        )
    try:
        limits = {"thrift_string_size_limit": _THRIFT_LIMIT, "thrift_container_size_limit": _THRIFT_LIMIT}
        with pq.ParquetFile(_source(path, limit), **limits) as file:
            names = tuple(file.schema_arrow.names)
            texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
            kinds = "".join(_kind(field.type) for field in file.schema_arrow) if layout.native else None
        # Texts are read as dictionaries: a page with one text a million times is found before it is expanded.
        file = pq.ParquetFile(_source(path, limit), buffer_size=1 << 20, read_dictionary=texts, **limits)
    except _ERRORS as error:
        raise Unreadable(_broken(error)) from error
    header = checked_header(names)
    if file.metadata.num_rows and not header:
        raise Unreadable("not readable as extract: it has rows but no columns")
    return TextRows(header, _batches(file, limit, kinds), has_kinds=layout.native)


def _source(path: Path | Member, limit: int) -> Path | BinaryIO:
    return path if isinstance(path, Path) else opened(path, limit)


def _broken(error: Exception) -> str:
    return f"not readable as Parquet: {' '.join(str(error).split())[:300]}"


def _batches(file: pq.ParquetFile, limit: int, kinds: str | None) -> Iterator[pa.Table]:
    number, size = 1, 0
    with file:
        batches = file.iter_batches(batch_size=BATCH_ROWS, use_threads=False)
        while True:
            try:
                native = next(batches, None)
                if native is None:
                    return
                # Measured, not taken from the file's own metadata: a page of one value may stand for a billion rows.
                unpacked = sum(_text_bytes(column) for column in native.columns)
                size += unpacked
                if size > limit or unpacked > _MOST_OF_A_BATCH:
                    raise Unreadable(
                        f"decompresses to more than {limit} bytes: deliver it in parts, or raise the setting"
                        " max_unpacked_bytes"
                    )
                columns = [_as_text(column) for column in native.columns]
            except _ERRORS as error:
                raise Unreadable(_broken(error)) from error
            if native.num_rows:
                yield batch_of_columns(columns, range(number, number + native.num_rows), tidy=False, kinds=kinds)
            number += native.num_rows


def _kind(type_: pa.DataType) -> str:
    """The kind of the cells of a column."""
    if pa.types.is_dictionary(type_):
        return _kind(type_.value_type)
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return NUMBER
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        return MOMENT
    return BOOLEAN if pa.types.is_boolean(type_) else TEXT


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _text_bytes(column: pa.Array) -> int:
    """The size of the column in bytes when dictionaries are expanded."""
    if pa.types.is_dictionary(column.type) and not pa.types.is_primitive(column.type.value_type):
        lengths = pc.binary_length(column.dictionary).take(column.indices)
        return int(pc.sum(lengths).as_py() or 0) + 8 * len(column)
    return int(column.nbytes)


def _as_text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.dictionary_decode())
    if pa.types.is_floating(kind):
        return _floats(column)
    if pa.types.is_timestamp(kind):
        # Pandas writes a date as a moment at midnight. A date is read as its midnight, so the meaning stays the same.
        return pc.replace_substring_regex(column.cast(pa.string()), _MIDNIGHT, r"\1")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        try:
            return column.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            return pa.array([None if cell is None else cell.hex() for cell in column.to_pylist()], pa.string())
    if pa.types.is_nested(kind):
        return pa.array([None if cell is None else _as_json(cell) for cell in column.to_pylist()], pa.string())
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([None if cell is None else str(cell) for cell in column.to_pylist()], pa.string())


def _floats(column: pa.Array) -> pa.Array:
    """Whole numbers (which may be ids) without point or exponent; others in the fewest digits that give the value."""
    texts = column.cast(pa.string()).to_pylist()
    return pa.array(
        [
            str(int(value)) if value is not None and abs(value) < 1e18 and value.is_integer() else text
            for value, text in zip(column.to_pylist(), texts, strict=True)
        ],
        pa.string(),
    )


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
