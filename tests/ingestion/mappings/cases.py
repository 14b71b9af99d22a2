"""Mappings and native rows for the tests of mappings."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from amkpi.ingestion.mappings.apply import apply
from amkpi.ingestion.mappings.files import MappingError, load_mappings
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.readers import TextRows, batch_schema, read_csv

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")

CLIENTS = """
file: "*accounts*.csv"
extract: clients
columns:
  client_id: Account ID
  client_name: { sql: 'coalesce("Name", "Account ID")' }
"""


def mapped(tmp_path: Path, text: str, name: str = "m") -> Mapping:
    """The mapping that this YAML is."""
    (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
    (mapping,) = load_mappings(tmp_path, None, ZONE)
    return mapping


def refusal(tmp_path: Path, text: str) -> str:
    """What the mapping file is refused with: one line that begins with the file."""
    with pytest.raises(MappingError) as caught:
        mapped(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(tmp_path / "m.yml") + ": ")
    return message.removeprefix(str(tmp_path / "m.yml") + ": ")


def csv_file(tmp_path: Path, text: str, mapping: Mapping) -> TextRows:
    path = tmp_path / "export.csv"
    path.write_text(text, encoding="utf-8")
    return read_csv(path, "utf-8-sig", mapping.native_columns)


def result(mapping: Mapping, rows: TextRows) -> list[dict[str, object]]:
    """The rows that the mapping yields, by canonical name, with `_line`, `_malformed` and `_row`."""
    applied = apply(mapping, rows)
    found = []
    for batch in applied.batches:
        assert batch.schema == batch_schema(len(applied.header))
        for row in batch.to_pylist():
            found.append({name: row[f"c{place}"] for place, name in enumerate(applied.header)})
            found[-1].update({key: row[key] for key in ("_line", "_malformed", "_row")})
    return found


def costs(rule: str, column: str = "amount") -> str:
    """A mapping of project costs in which one column has this rule."""
    rules = {"cost_id": "Id", "project_id": "Project", "cost_date": "Day", "amount": "Amount"}
    lines = [f"  {name}: {rule if name == column else native}" for name, native in rules.items()]
    if column not in rules:
        lines.append(f"  {column}: {rule}")
    return "file: 'x*.csv'\nextract: project_costs\ncolumns:\n  currency: { constant: USD }\n" + "\n".join(lines) + "\n"


def converted(tmp_path: Path, rule: str, column: str, native: Sequence[str]) -> list[object]:
    """What the rule makes of the native cells of the column `Native`."""
    mapping = mapped(tmp_path, costs(rule, column))
    with (tmp_path / "export.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Id", "Project", "Day", "Amount", "Native"])
        writer.writerows(["c", "p", "2025-01-01", "1", cell] for cell in native)
    rows = read_csv(tmp_path / "export.csv", "utf-8-sig", mapping.native_columns)
    return [row[column] for row in result(mapping, rows)]
