"""Reads mapping files: YAML without surprises, checked against the model, with errors that say how to fix them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from amkpi.core.errors import AmkpiError
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.mappings import structure
from amkpi.ingestion.mappings.expressions import one_sandbox
from amkpi.ingestion.mappings.model import OF_FILE, Mapping, keys, takes
from amkpi.ingestion.mappings.names import meant
from amkpi.ingestion.mappings.rules import OTHERWISE, ColumnRule
from amkpi.ingestion.mappings.structure import one_or_more


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


@dataclass(frozen=True)
class BrokenMapping:
    """A mapping file that is wrong. error: as one line. patterns: of the files that it takes; None if unknown."""

    error: MappingError
    patterns: tuple[str, ...] | None

    def may_take(self, file_name: str, all_mappings: MappingFiles) -> bool:
        """Whether it would take the file: any file that no other mapping takes, if its patterns cannot be read."""
        if self.patterns is None:
            return not all_mappings.taking(file_name)
        return takes(self.patterns, file_name)


@dataclass(frozen=True)
class MappingFiles:
    """The mappings of an agency: those that are valid, and those that are not. own: names of the agency's own ones."""

    valid: tuple[Mapping, ...]
    broken: tuple[BrokenMapping, ...] = ()
    own: frozenset[str] = frozenset()

    def taking(self, file_name: str) -> list[Mapping]:
        """The valid mappings that take the file with this path below LANDING.

        A shipped mapping does not, if one of the agency's own makes the same extract of the file: the rows would be
        there twice, and a shipped mapping of a new version would change what an agency has mapped already.
        """
        takers = [each for each in self.valid if each.takes(file_name)]
        made = {each.extract for each in takers if each.name in self.own}
        return [each for each in takers if each.name in self.own or each.extract not in made]

    def refusal(self, file_name: str) -> str | None:
        """Why the file cannot be loaded before a mapping is corrected; None if it can."""
        for each in self.broken:
            if each.may_take(file_name, self):
                return f"{each.error}; then put the file into LANDING again"
        return None


def load_mappings(shipped: Path, own: Path | None, zone: ZoneInfo) -> tuple[Mapping, ...]:
    """Read the mappings of both folders, sorted by name. The agency's own replaces a shipped one of the same name.

    zone: the agency's. A folder may be missing. Raises MappingError for the first file that is wrong.
    """
    found = read_mappings(shipped, own, zone)
    if found.broken:
        raise found.broken[0].error
    return found.valid


def read_mappings(shipped: Path, own: Path | None, zone: ZoneInfo) -> MappingFiles:
    """As `load_mappings`, but one wrong file does not disturb the others."""
    files: dict[str, Path] = {}
    of_agency: set[str] = set()
    valid: list[Mapping] = []
    broken: list[BrokenMapping] = []
    for folder in (shipped, own):
        if folder is None or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in (".yml", ".yaml") and not path.name.startswith("."):
                if path.suffix != ".yml":
                    wrong = MappingError(f"{path}: the name of a mapping ends in .yml: rename it to {path.stem}.yml")
                    broken.append(BrokenMapping(wrong, _patterns(path)))
                else:
                    files[path.stem] = path
                    if folder is own:
                        of_agency.add(path.stem)
    with one_sandbox():
        for name in sorted(files):
            try:
                valid.append(load_mapping(files[name], zone))
            except MappingError as error:
                # Only the text is kept: a traceback would keep the database of an expression until the program ends.
                broken.append(BrokenMapping(MappingError(str(error)), _patterns(files[name])))
    return MappingFiles(tuple(valid), tuple(broken), frozenset(of_agency))


def _patterns(path: Path) -> tuple[str, ...] | None:
    """The patterns of a mapping file that may be wrong in other places; None if they cannot be read."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_TextLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return None
    found = one_or_more(data.get("file")) if isinstance(data, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(each, str) and each.strip() for each in found):
        return None
    return tuple(found)


def load_mapping(path: Path, zone: ZoneInfo) -> Mapping:
    """Read one mapping file. zone: the agency's. Raises MappingError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror}: give amkpi read access to it") from error
    except UnicodeDecodeError as error:
        raise MappingError(f"{path}: is not UTF-8: save it as UTF-8") from error
    return from_text(path.stem, text, str(path), zone)


# The shipped mappings take 0.1 s to read; a process that loads again, such as a worker of Airflow, has them already.
@lru_cache(maxsize=256)
def from_text(name: str, text: str, place: str, zone: ZoneInfo) -> Mapping:
    """The mapping with this name and text. place: begins the message of an error. Raises MappingError."""
    try:
        data = yaml.load(text, Loader=_TextLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise MappingError(f"{place}: {_yaml_sentence(error)}") from error
    if not isinstance(data, dict):
        raise MappingError(f"{place}: has no keys: write file, extract and columns")
    if "name" in data:
        raise MappingError(f"{place}: name: the name of a mapping is that of its file: remove this key")
    unknown = next((key for key in OF_FILE if key in data), None)
    if unknown is not None:
        raise MappingError(f"{place}: {unknown}: unknown key{meant(unknown, keys(Mapping))}")
    try:
        mapping = Mapping.model_validate({**data, "name": name, "zone": zone})
    except ValidationError as error:
        problems = error.errors()
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise MappingError(f"{place}: {' '.join(_sentence(problems[0]).split())}{more}") from error
    digest = hashlib.sha256(json.dumps(data, ensure_ascii=False).encode()).hexdigest()
    return mapping.model_copy(update={"text": text, "sha256": digest})


def _yaml_sentence(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = " ".join(str(getattr(error, "problem", None) or error).split())
    return f"line {mark.line + 1}: {what}: correct the YAML there" if mark else f"{what}: correct the YAML"


def _sentence(error: ErrorDetails) -> str:
    """`key: what is wrong and how to fix it` for one validation error."""
    place = [str(part) for part in error["loc"]]
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        if place[0] == "columns" and len(place) > 2 and place[-1] == OTHERWISE:
            return f"{key}: belongs inside values: move it there"
        known = keys(_part(place))
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
        "literal_error": f"must be {error.get('ctx', {}).get('expected', 'one of the known words')}{given}",
        "int_parsing": f"must be a whole number{given}",
        "model_type": "must have keys and values, one on each line",
        "string_type": "must be one text: write it in quotes",
        "tuple_type": "must be a list",
    }
    return f"{key}: {fixes_by_type.get(error['type'], error['msg'] + given)}"


def _part(place: list[str]) -> type[BaseModel]:
    """The part of a mapping in which a key at this place stands."""
    if place[0] == "columns" and len(place) > 2:
        return structure.Lookup if place[2] == "lookup" and len(place) > 3 else ColumnRule
    parts: dict[str, type[BaseModel]] = {
        "header": structure.Header,
        "stop_at": structure.StopAt,
        "unpivot": structure.Unpivot,
        "split": structure.Split,
    }
    return parts.get(place[0], Mapping) if len(place) > 1 else Mapping
