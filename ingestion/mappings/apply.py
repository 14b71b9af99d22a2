"""Source mappings: they turn a native export into one extract.

A mapping is a YAML file (`<name>.yml`), which is checked when it is read. `apply` turns the rows of the native file
into rows of the extract. They are still text: the same row rules apply to them as to any other delivery.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from amkpi.core.errors import AmkpiError
from amkpi.ingestion.contracts.extracts import EXTRACTS, Column
from amkpi.ingestion.mappings.expressions import Expression, evaluate, rows_as_json, sandbox, why
from amkpi.ingestion.mappings.model import OF_FILE, OTHERWISE, ColumnRule, Mapping, clean_cell, meant, native_name
from amkpi.ingestion.mappings.values import date_format, refused
from amkpi.ingestion.readers import TextRows, Unreadable, batch_schema

__all__ = ["Mapping", "MappingError", "apply", "from_text", "load_mappings", "unused_columns"]

# The value in a date, number, boolean or choice column where an expression failed: the row rules reject it.
_FAILED = "(the mapping's sql fails on this row)"


class MappingError(AmkpiError):
    """A mapping file that is wrong. The text tells the file, the key, and how to fix it."""


class _TextLoader(yaml.BaseLoader):
    """YAML in which all scalars stay text, such as `no`, 2019-01-01 and 0.10. A key may be there only once."""

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        text = str(super().construct_scalar(node))
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise yaml.MarkedYAMLError(
                problem="\\ud800 to \\udfff are halves of a character: write the character itself",
                problem_mark=node.start_mark,
            )
        return text

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem="a key is not plain text", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key} is there twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load_mappings(shipped: Path, own: Path | None) -> tuple[Mapping, ...]:
    """Read the mappings of both folders, sorted by name. The agency's own replaces a shipped one of the same name.

    A folder may be missing. Raises MappingError for the first file that is wrong.
    """
    files: dict[str, Path] = {}
    for folder in (shipped, own):
        if folder is None or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in (".yml", ".yaml") and not path.name.startswith("."):
                if path.suffix != ".yml":
                    raise MappingError(f"{path}: the name of a mapping ends in .yml: rename it to {path.stem}.yml")
                files[path.stem] = path
    return tuple(_load(files[name]) for name in sorted(files))


def _load(path: Path) -> Mapping:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror}: give amkpi read access to it") from error
    except UnicodeDecodeError as error:
        raise MappingError(f"{path}: is not UTF-8: save it as UTF-8") from error
    return from_text(path.stem, text, str(path))


def from_text(name: str, text: str, place: str) -> Mapping:
    """The mapping with this name and text; `place` begins the message of an error. Raises MappingError."""
    try:
        data = yaml.load(text, Loader=_TextLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise MappingError(f"{place}: {_yaml_sentence(error)}") from error
    if not isinstance(data, dict):
        raise MappingError(f"{place}: has no keys: write file, extract and columns")
    if "name" in data:
        raise MappingError(f"{place}: name: the name of a mapping is that of its file: remove this key")
    try:
        mapping = Mapping.model_validate({**data, "name": name})
    except ValidationError as error:
        problems = error.errors()
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise MappingError(f"{place}: {' '.join(_sentence(problems[0]).split())}{more}") from error
    unknown = [key for key in OF_FILE if key in data]
    if unknown:
        raise MappingError(f"{place}: {unknown[0]}: unknown key; the keys are {', '.join(_keys(Mapping))}")
    digest = hashlib.sha256(json.dumps(data, ensure_ascii=False).encode()).hexdigest()
    return mapping.model_copy(update={"text": text, "sha256": digest})


def _keys(model: type[Mapping] | type[ColumnRule]) -> list[str]:
    return [name for name in model.model_fields if name not in OF_FILE]


def _yaml_sentence(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = " ".join(str(getattr(error, "problem", None) or error).split())
    return f"line {mark.line + 1}: {what}: correct the YAML there" if mark else f"{what}: correct the YAML"


def _sentence(error: ErrorDetails) -> str:
    """`key: what is wrong and how to fix it` for one validation error."""
    place = [str(part) for part in error["loc"]]
    key = ".".join(place)
    in_rule = len(place) > 2 and place[0] == "columns"
    if error["type"] == "extra_forbidden":
        known = _keys(ColumnRule if in_rule else Mapping)
        if in_rule and place[-1] == OTHERWISE:
            return f"{key}: belongs inside values: move it there"
        return f"{key}: unknown key{meant(place[-1], known)}; the keys are {', '.join(known)}"
    if error["type"] == "missing":
        fixes = {
            "file": 'a pattern such as "*opportunity*.csv"',
            "extract": f"one of {', '.join(EXTRACTS)}",
            "columns": "the extract's columns, each with the native column that gives it",
        }
        return f"{key}: is missing: write {fixes.get(key, 'it')}"
    if error["type"] == "value_error":
        # The message of a rule about the whole mapping begins with its own key.
        message = str(error["ctx"]["error"]) if "ctx" in error else error["msg"]
        return f"{key}: {message}" if place else message
    given = f", not {error['input']!r}" if isinstance(error["input"], str) else ""
    fixes_by_type = {
        "bool_parsing": f"must be true or false{given}",
        "decimal_parsing": f"must be a number such as 1000 or 0.01{given}",
        "dict_type": "must have keys and values, one on each line",
        "string_type": "must be one text: write it in quotes",
        "tuple_type": "must be a list",
    }
    return f"{key}: {fixes_by_type.get(error['type'], error['msg'] + given)}"


def unused_columns(mapping: Mapping, header: Sequence[str]) -> tuple[str, ...]:
    """The native columns of a header that the mapping does not use, in the order of the header."""
    used = mapping.native_columns
    return tuple(name.strip() for name in header if name.strip() and native_name(name) not in used)


def apply(mapping: Mapping, rows: TextRows) -> TextRows:
    """The rows of the native file as rows of the mapping's extract, in the same order, with the native lines.

    The header has the columns that the mapping gives, in the order of the extract. A value that is not in its format
    becomes a text that the row rules reject. A malformed row stays malformed. Rows that a filter excludes are dropped.
    Raises Unreadable if the file lacks a native column that the mapping needs, or has it twice, and (while iterating)
    if an expression fails on a row where no row rule would find it.
    """
    names = tuple(column.name for column in mapping.target.all_columns if column.name in mapping.columns)
    if not rows.header:
        return TextRows(names, rows.batches)
    places = _places(mapping, rows.header)
    return TextRows(names, _batches(mapping, names, places, rows))


def _places(mapping: Mapping, header: Sequence[str]) -> dict[str, int]:
    """The place of each native column, by its name as written in the mapping."""
    where: dict[str, list[int]] = {}
    for place, title in enumerate(header):
        where.setdefault(native_name(title), []).append(place)
    # Each once, in the order of the mapping.
    needed = dict.fromkeys(mapping.native_names())
    missing = [name for name in needed if native_name(name) not in where]
    if missing:
        found = ", ".join(title.strip() for title in header)
        raise Unreadable(f"mapping {mapping.name}: the file lacks the column {', '.join(missing)}; it has: {found}")
    for name in needed:
        twice = where[native_name(name)]
        if len(twice) > 1:
            titles = " and ".join(header[place].strip() for place in twice)
            raise Unreadable(
                f"mapping {mapping.name}: the column {name} is there {len(twice)} times, as {titles}:"
                " rename all but one"
            )
    return {name: where[native_name(name)][0] for name in needed}


def _batches(mapping: Mapping, names: Sequence[str], places: dict[str, int], rows: TextRows) -> Iterator[pa.Table]:
    schema = batch_schema(len(names))
    rules = [mapping.columns[name] for name in names]
    # Each expression once, even if several columns use it.
    expressions = list(dict.fromkeys([*mapping.where, *(rule.sql for rule in rules if rule.sql is not None)]))
    with sandbox() as connection:
        for native in rows.batches:
            try:
                results = evaluate(connection, native, places, expressions) if expressions else []
                as_json = rows_as_json(connection, native, rows.header)
            except duckdb.Error as error:
                reason = str(error).split("\n", 1)[0]
                raise Unreadable(f"mapping {mapping.name}: its sql cannot be evaluated: {reason}") from error
            batch = _Batch(mapping, connection, native, places, dict(zip(expressions, results, strict=True)))
            kept = batch.kept()
            columns = [batch.column(name, rule, kept) for name, rule in zip(names, rules, strict=True)]
            line = native.column("_line").combine_chunks()
            table = pa.Table.from_arrays([*columns, line, batch.malformed, as_json], schema=schema).filter(kept)
            if table.num_rows:
                yield table


@dataclass(frozen=True)
class _Batch:
    """One batch of native rows, with the results of the expressions (null: it failed on that row)."""

    mapping: Mapping
    connection: duckdb.DuckDBPyConnection
    native: pa.Table
    places: dict[str, int]
    results: dict[Expression, pa.Array]

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
        if rule.sql is None:
            assert rule.column is not None
            return _converted(self.native.column(f"c{self.places[rule.column]}").combine_chunks(), rule, column)
        is_checked = column.type != "text" or column.choices or column.currency
        if not is_checked:
            self._refuse_failures(f"columns.{name}.sql", rule.sql, evaluated)
        values = pc.fill_null(_converted(self.results[rule.sql], rule, column), _FAILED)
        return pc.if_else(evaluated, values, pa.scalar(None, pa.string()))

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


def _converted(values: pa.Array, rule: ColumnRule, column: Column) -> pa.Array:
    """The values after the value map, date and number format of the rule; a value that does not fit as in `refused`."""
    if not rule.conversions:
        return values
    # Each distinct value once: a column of dates or stages has few.
    encoded = values.dictionary_encode()
    convert = _converter(rule, column)
    return pa.array([convert(value) for value in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _converter(rule: ColumnRule, column: Column) -> Callable[[str], str]:
    targets = {key: target for key, target in (rule.values or {}).items() if key != OTHERWISE}
    otherwise = (rule.values or {}).get(OTHERWISE)
    dates = date_format(rule.date_format) if rule.date_format is not None else None
    numbers = rule.number

    def convert(value: str) -> str:
        clean = clean_cell(value)
        if not clean:
            return value
        if clean in targets:
            return targets[clean]
        if otherwise is not None:
            return otherwise
        if dates is not None:
            read = dates.read(clean, timestamp=column.type == "timestamp")
        elif numbers is not None:
            read = numbers.read(clean)
        else:
            return value
        return refused(value, column) if read is None else read

    return convert
