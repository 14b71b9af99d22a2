"""Source mappings: how a native export reads as one extract.

A mapping is data (`<name>.yml`), checked when it is read. `apply` turns the native file's rows into the extract's,
still as text: what a row means is judged afterwards, by the same rules as for any other delivery.
"""

from __future__ import annotations

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
from amkpi.ingestion.mappings.model import OTHERWISE, ColumnRule, Mapping, clean_cell, meant, native_name
from amkpi.ingestion.mappings.values import date_format, refused
from amkpi.ingestion.readers import TextRows, Unreadable, batch_schema

__all__ = ["Mapping", "MappingError", "apply", "load_mappings", "unused_columns"]

# What stands in a typed column where an expression failed: no date, number, boolean or choice reads so.
_FAILED = "(the mapping's sql fails on this row)"


class MappingError(AmkpiError):
    """A mapping file that is wrong. The text names the file, the key, and how to mend it."""


class _TextLoader(yaml.BaseLoader):
    """YAML whose scalars all stay text: `no`, 2019-01-01 and 0.10 are what is written. A key may stand once."""

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
                raise yaml.MarkedYAMLError(problem="a key is no plain text", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key} is there twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load_mappings(shipped: Path, own: Path | None) -> tuple[Mapping, ...]:
    """Read the mappings of both folders, sorted by name; an agency's own wins over a shipped one of the same name.

    A folder that does not exist has none. Raises MappingError for the first file that is wrong.
    """
    files: dict[str, Path] = {}
    for folder in (shipped, own):
        if folder is None or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in (".yml", ".yaml") and not path.name.startswith("."):
                if path.suffix != ".yml":
                    raise MappingError(f"{path}: a mapping ends in .yml: rename it to {path.stem}.yml")
                files[path.stem] = path
    return tuple(_load(files[name]) for name in sorted(files))


def _load(path: Path) -> Mapping:
    try:
        data = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_TextLoader)
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror}: give amkpi read access to it") from error
    except UnicodeDecodeError as error:
        raise MappingError(f"{path}: is not UTF-8: save it as UTF-8") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise MappingError(f"{path}: {_yaml_sentence(error)}") from error
    if not isinstance(data, dict):
        raise MappingError(f"{path}: holds no keys: write file, extract and columns")
    if "name" in data:
        raise MappingError(f"{path}: name: a mapping is named by its file: leave the key out")
    try:
        return Mapping.model_validate({**data, "name": path.stem})
    except ValidationError as error:
        problems = error.errors()
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise MappingError(f"{path}: {' '.join(_sentence(problems[0]).split())}{more}") from error


def _yaml_sentence(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = " ".join(str(getattr(error, "problem", None) or error).split())
    return f"line {mark.line + 1}: {what}: mend the YAML there" if mark else f"{what}: mend the YAML"


def _sentence(error: ErrorDetails) -> str:
    """`key: what is wrong and how to mend it` of one validation error."""
    place = [str(part) for part in error["loc"]]
    key = ".".join(place)
    in_rule = len(place) > 2 and place[0] == "columns"
    if error["type"] == "extra_forbidden":
        known = [name for name in (ColumnRule if in_rule else Mapping).model_fields if name != "name"]
        if in_rule and place[-1] == OTHERWISE:
            return f"{key}: stands inside values: move it there"
        return f"{key}: unknown key{meant(place[-1], known)}; the keys are {', '.join(known)}"
    if error["type"] == "missing":
        mends = {
            "file": 'a pattern such as "*opportunity*.csv"',
            "extract": f"one of {', '.join(EXTRACTS)}",
            "columns": "the extract's columns, each with the native column that gives it",
        }
        return f"{key}: is missing: write {mends.get(key, 'it')}"
    if error["type"] == "value_error":
        # A rule of the whole names its own key.
        message = str(error["ctx"]["error"]) if "ctx" in error else error["msg"]
        return f"{key}: {message}" if place else message
    given = f", not {error['input']!r}" if isinstance(error["input"], str) else ""
    mends_by_type = {
        "bool_parsing": f"must be true or false{given}",
        "decimal_parsing": f"must be a number such as 1000 or 0.01{given}",
        "dict_type": "must hold keys and values, one a line",
        "string_type": "must be one text: write it in quotes",
        "tuple_type": "must be a list",
    }
    return f"{key}: {mends_by_type.get(error['type'], error['msg'] + given)}"


def unused_columns(mapping: Mapping, header: Sequence[str]) -> tuple[str, ...]:
    """The native columns of a header that nothing in the mapping uses, in the header's order."""
    used = mapping.native_columns
    return tuple(name.strip() for name in header if name.strip() and native_name(name) not in used)


def apply(mapping: Mapping, rows: TextRows) -> TextRows:
    """The native file's rows as rows of the mapping's extract, in the same order, with the native lines.

    The header has the columns that the mapping gives, in the extract's order. A value that is not in its format goes
    on as text that no rule takes for a value; a malformed row stays malformed; a row that a filter leaves out is none.
    Raises Unreadable for a native column that the mapping needs and the file lacks or has twice, and (while iterating)
    where an expression fails on a row in a way that no rule would see.
    """
    names = tuple(column.name for column in mapping.target.all_columns if column.name in mapping.columns)
    if not rows.header:
        return TextRows(names, rows.batches)
    places = _places(mapping, rows.header)
    return TextRows(names, _batches(mapping, names, places, rows))


def _places(mapping: Mapping, header: Sequence[str]) -> dict[str, int]:
    """The place of each native column by its name as the mapping writes it."""
    where: dict[str, list[int]] = {}
    for place, title in enumerate(header):
        where.setdefault(native_name(title), []).append(place)
    # dict.fromkeys: each once, in the mapping's order.
    needed = dict.fromkeys(mapping.native_names())
    missing = [name for name in needed if native_name(name) not in where]
    if missing:
        found = ", ".join(title.strip() for title in header)
        raise Unreadable(f"mapping {mapping.name}: the file lacks the column {', '.join(missing)}; it has: {found}")
    for name in needed:
        twice = where[native_name(name)]
        if len(twice) > 1:
            titles = " and ".join(header[place].strip() for place in twice)
            raise Unreadable(f"mapping {mapping.name}: the column {name} is there {len(twice)} times, as {titles}")
    return {name: where[native_name(name)][0] for name in needed}


def _batches(mapping: Mapping, names: Sequence[str], places: dict[str, int], rows: TextRows) -> Iterator[pa.Table]:
    schema = batch_schema(len(names))
    rules = [mapping.columns[name] for name in names]
    # Each once, though a file's costs and its owner may be computed alike.
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
    """One batch of native rows with what the expressions gave for it (null: failed on that row)."""

    mapping: Mapping
    connection: duckdb.DuckDBPyConnection
    native: pa.Table
    places: dict[str, int]
    results: dict[Expression, pa.Array]

    @cached_property
    def malformed(self) -> pa.Array:
        """Which rows have not the header's fields: they have no values, so no filter and no expression is asked."""
        return self.native.column("_malformed").combine_chunks()

    def kept(self) -> pa.Array:
        """Which rows the filters leave in. A filter is asked only about what those before it left in."""
        well = pc.invert(self.malformed)
        for number, condition in enumerate(self.mapping.where):
            self._refuse_failures(f"where.{number}", condition, well)
            well = pc.and_(well, pc.fill_null(pc.equal(self.results[condition], "true"), False))
        return pc.or_(well, self.malformed)

    def column(self, name: str, rule: ColumnRule, kept: pa.Array) -> pa.Array:
        """The values of one column of the extract."""
        column = self.mapping.target.column(name)
        judged = pc.and_(kept, pc.invert(self.malformed))
        if rule.constant is not None:
            return pc.if_else(judged, pa.scalar(rule.constant, pa.string()), pa.scalar(None, pa.string()))
        if rule.sql is None:
            assert rule.column is not None
            return _converted(self.native.column(f"c{self.places[rule.column]}").combine_chunks(), rule, column)
        found_out = column.type != "text" or column.choices or column.currency
        if not found_out:
            self._refuse_failures(f"columns.{name}.sql", rule.sql, judged)
        values = pc.fill_null(_converted(self.results[rule.sql], rule, column), _FAILED)
        return pc.if_else(judged, values, pa.scalar(None, pa.string()))

    def _refuse_failures(self, key: str, expression: Expression, asked: pa.Array) -> None:
        failed = pc.and_(asked, pc.is_null(self.results[expression]))
        row = pc.index(failed, True).as_py()
        if row >= 0:
            line = self.native.column("_line")[row].as_py()
            reason = why(self.connection, self.native.slice(row, 1), self.places, expression)
            raise Unreadable(
                f"mapping {self.mapping.name}: {key} fails on line {line}: {reason}; mend the row, or write try_cast in"
                " the mapping"
            )


def _converted(values: pa.Array, rule: ColumnRule, column: Column) -> pa.Array:
    """The values after the rule's value map, date and number formats; what does not fit as `refused` gives it."""
    if not rule.conversions:
        return values
    # By distinct value: a column of dates or stages has few.
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
