"""No insert relies on the order of a table's columns: a table of an earlier version may have another one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amkpi.core.paths import PACKAGE
from amkpi.layers import LAYERS

INSERT = re.compile(r"insert\s+(?:or\s+\w+\s+)?into\s+(?P<table>[\w.{}]+)[\s\"']*(?P<rest>\(|by\s+name\b|\S+)", re.I)


def by_position(code: str) -> list[str]:
    """The tables of the inserts that name no columns."""
    return [found["table"] for found in INSERT.finditer(code) if not found["rest"].lower().startswith(("(", "by"))]


@pytest.mark.parametrize(
    ("code", "tables"),
    [
        ('"insert into a.b values (?)"', ["a.b"]),
        ('"insert into a.b select 1"', ["a.b"]),
        ('f"insert or replace into {table} from c"', ["{table}"]),
        ('"insert into a (x, y) values (1, 2)"', []),
        ('"insert into a"\n    " (x) values (1)"', []),
        ('"insert into a\n by name select 1 as x"', []),
    ],
)
def test_an_insert_by_position_is_found(code: str, tables: list[str]) -> None:
    assert by_position(code) == tables


def test_every_insert_names_its_columns() -> None:
    paths: list[Path] = [path for layer in LAYERS for path in (PACKAGE / layer).resolve().rglob("*.py")]
    inserts = sum(len(INSERT.findall(path.read_text("utf-8"))) for path in paths)
    assert inserts > 12
    assert {path.name: found for path in paths if (found := by_position(path.read_text("utf-8")))} == {}
