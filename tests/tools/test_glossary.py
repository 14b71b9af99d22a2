"""docs/glossary.md: what it names exists, and nothing still has a former name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from amkpi.core.home import Home
from amkpi.core.paths import DAGS, DBT_PROJECT, PACKAGE
from amkpi.layers import LAYERS
from tests.paths import ROOT

TABLE_ROW = re.compile(r"^\|([^|]+)\|([^|]+)\|([^|]*)\|([^|]*)\|$", re.M)
ROWS = [
    (term.strip(), where.strip(), formerly.strip())
    for term, _, where, formerly in TABLE_ROW.findall((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))
    if term.strip(" -") not in ("term", "")
]


def sources() -> list[Path]:
    """The Python files of the product, of its tools and of its tests; the oracle has words of its own."""
    folders = [*(PACKAGE / layer for layer in LAYERS), DAGS, ROOT / "tools", ROOT / "tests"]
    files = [path for folder in folders for path in folder.resolve().rglob("*.py")]
    return [path for path in files if ROOT / "tests" / "oracle" not in path.parents]


def named(column: str) -> list[str]:
    """What a cell has as code."""
    return re.findall(r"`([^`]+)`", column)


def names_of(path: Path) -> Iterator[str]:
    """The module, its classes, functions and constants, and the methods of its classes."""
    yield path.parent.name if path.name == "__init__.py" else path.stem
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    for node in (node for body in bodies for node in body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node in tree.body:
            yield node.target.id


def exists(name: str) -> bool:
    """Whether there is a path of the repository or of HOME, a DAG, a model, a table or a column of this name."""
    if "/" in name:
        return (ROOT / name).exists() or name.removeprefix("HOME/").strip("/") in paths_of_home()
    if (DAGS / f"{name}.py").is_file():
        return True
    first, *columns = (word for word in name.split(".") if word != "*")
    if any((DBT_PROJECT / "models").rglob(f"{first}.sql")):
        yml = next((DBT_PROJECT / "models").rglob(f"{first}.yml")).read_text(encoding="utf-8")
        return all(re.search(rf"\bname: {column}\b", yml) for column in columns)
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "ingestion").rglob("*.py"))
    return all(re.search(rf"\b{word}\b", code) for word in (first, *columns))


def paths_of_home() -> set[str]:
    """Every folder and file that amkpi.core.home knows, below HOME."""
    home = Home.at(Path("/home"))
    names = [name for name, value in vars(Home).items() if isinstance(value, property)]
    return {str(getattr(home, name).relative_to(home.root)) for name in [*names, "landing"]}


def test_the_glossary_has_terms() -> None:
    assert len(ROWS) > 60
    assert len({term for term, _, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("term", "where"), [(term, where) for term, where, _ in ROWS], ids=[row[0] for row in ROWS])
def test_what_the_glossary_names_is_there(term: str, where: str) -> None:
    assert named(where), f"{term}: where is it?"
    assert [name for name in named(where) if not exists(name)] == []


def test_no_module_and_no_public_name_has_a_former_name() -> None:
    former = {
        word.strip().strip("`").lower()
        for _, _, formerly in ROWS
        for word in formerly.split(",")
        if re.fullmatch(r"\s*`?\w+`?\s*", word)
    }
    assert len(former) > 20
    used = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        for name in names_of(path)
        if not name.startswith("_") and name.lower() in former
    }
    assert used == set()
