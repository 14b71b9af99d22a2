"""The reference of mapping keys in docs/mappings.md: each key with an example, and the error of a wrong value."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel

from amkpi.ingestion.mappings import structure
from amkpi.ingestion.mappings.files import MappingError, from_text
from amkpi.ingestion.mappings.model import Mapping, keys
from amkpi.ingestion.mappings.rules import ColumnRule
from tools.docs.markdown import table

_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
# A valid mapping, in which the examples are set.
_BASE = """
file: "costs*.csv"
extract: project_costs
columns:
  cost_id: Id
  project_id: Project
  cost_date: Day
  amount: Amount
  currency: { constant: VND }
"""
# For each key: an example, and a wrong value. Both are values of the key, as YAML.
_WHOLE: dict[str, tuple[str, str]] = {
    "file": ('"*opportunity*.csv"', '""'),
    "extract": ("project_costs", "costs"),
    "sheet": ("Chi tiết", "[1, 2]"),
    "header": ("{ contains: [Mã chi phí, Ngày] }", "{ row: 2, contains: [Ngày] }"),
    "skip_after_header": ("2", "two"),
    "stop_at": ('{ column: Id, matches: "^Tổng" }', "{ column: Id }"),
    "records": ("data.results", "[data, results]"),
    "fill_down": ("[Order, Customer]", "{ column: Order }"),
    "unpivot": ("{ name: Month, value: Amount, columns: [T1, T2] }", "{ name: Month, columns: [T1, T2] }"),
    "split": ('{ column: Project, by: ";" }', "{ by: ';' }"),
    "snapshot": ("true", "daily"),
    "duplicates": ("sum(amount)", "sum(currency)"),
    "time_zone": ("local", "Asia/Ho_Chi_Minh"),
    "written_in": ("UTC", "Hanoi"),
    "where": ("'\"Type\" = ''Expense'''", "'\"Type\"'"),
    "columns": ("{ cost_id: Id, … }", "{ cost_id: Id }"),
}
_RULE: dict[str, tuple[str, str, str]] = {
    "column": ("department", "{ column: Team }", "{ column: '' }"),
    "constant": ("currency", "{ constant: VND }", "{ constant: dong }"),
    "sql": ("department", "{ sql: 'split_part(\"Team\", ''/'', 1)' }", "{ sql: 'now()' }"),
    "id_from": ("cost_id", "{ id_from: [Day, Task, Person] }", "{ id_from: [Day], number: vi }"),
    "values": (
        "department",
        "{ column: Team, values: { design: [Creative, Đồ họa] } }",
        "{ column: Team, values: { '': x } }",
    ),
    "lookup": (
        "project_id",
        "{ column: Project, lookup: { extract: projects, by: project_name } }",
        "{ column: Project, lookup: { extract: projects, by: name } }",
    ),
    "date_format": (
        "cost_date",
        "{ column: Day, date_format: [d/M/yyyy, excel] }",
        "{ column: Day, date_format: [d/M/yyyy, M/d/yyyy] }",
    ),
    "number": ("amount", "{ column: Amount, number: vi }", "{ column: Amount, number: fr }"),
    "decimal": ("amount", '{ column: Amount, decimal: ",", thousands: "." }', '{ column: Amount, decimal: ";" }'),
    "thousands": ("amount", '{ column: Amount, thousands: " " }', '{ column: Amount, thousands: "." }'),
    "scale": ("amount", "{ column: Amount, scale: 1000 }", "{ column: Amount, scale: 0 }"),
}
_PARTS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("header", structure.Header),
    ("stop_at", structure.StopAt),
    ("unpivot", structure.Unpivot),
    ("split", structure.Split),
    ("lookup", structure.Lookup),
)


def reference() -> str:
    """The tables of all keys. Raises LookupError for a key without an example, or an example that is wrong."""
    whole = [(f"`{key}`", _about(Mapping, key), *_shown(key, *_example(_WHOLE, key))) for key in keys(Mapping)]
    rules = []
    for key in keys(ColumnRule):
        column, example, wrong = _example(_RULE, key)
        _accepted(key, _with_rule(column, example))
        rules.append((f"`{key}`", _about(ColumnRule, key), f"`{column}: {example}`", _error(_with_rule(column, wrong))))
    parts = [
        (f"`{name}.{key}`", part.model_fields[key].description or "") for name, part in _PARTS for key in keys(part)
    ]
    head = ("key", "meaning", "example", "a wrong value gives")
    return "\n\n".join(
        [
            "### Keys of a mapping",
            table(head, whole),
            "### Keys of a column",
            table(head, rules),
            "### Keys within a key",
            table(("key", "meaning"), parts),
        ]
    )


def _example(examples: dict[str, Any], key: str) -> Any:
    if key not in examples:
        raise LookupError(f"the mapping key {key} has no example in tools/docs/mappings.py")
    return examples[key]


def _about(part: type[BaseModel], key: str) -> str:
    about = part.model_fields[key].description or ""
    return about + (" (required)" if part.model_fields[key].is_required() else "")


def _shown(key: str, example: str, wrong: str) -> tuple[str, str]:
    if "…" not in example:
        _accepted(key, _with_key(key, example))
    return f"`{key}: {example}`", _error(_with_key(key, wrong))


def _accepted(key: str, text: str) -> None:
    try:
        from_text("example", text, "example.yml", _ZONE)
    except MappingError as error:
        raise LookupError(f"the example of the mapping key {key} is wrong: {error}") from error


def _error(text: str) -> str:
    try:
        from_text("example", text, "x", _ZONE)
    except MappingError as error:
        return str(error).removeprefix("x: ")
    raise LookupError(f"the wrong example is accepted: {text}")


def _with_key(key: str, value: str) -> str:
    """The base with the key; some keys need another one."""
    data = {**yaml.safe_load(_BASE), key: yaml.safe_load(value)}
    if key == "written_in":
        data["time_zone"] = "local"
    return yaml.safe_dump(data, allow_unicode=True)


def _with_rule(column: str, rule: str) -> str:
    data = yaml.safe_load(_BASE)
    data["columns"][column] = yaml.safe_load(rule)
    return yaml.safe_dump(data, allow_unicode=True)
