"""Which layer may import which: data flows one way."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from amkpi.core.paths import DAGS, PACKAGE
from amkpi.layers import LAYERS
from tests.paths import ROOT

ORDER = list(LAYERS)
MOST_LINES = 400
MOST_MODULES = 12


def python_files(folder: Path) -> list[Path]:
    """The Python files below a folder; `resolve` follows the links of a checkout."""
    return sorted(folder.resolve().rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it, by absolute name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from amkpi import layers` names a module; `from amkpi.core.run import Run` something in one.
            whole = node.module in ("amkpi", "tests", "tools")
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if whole else {node.module or ""}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def layer_of(module: str) -> str | None:
    """The layer of a module of the product; None for what is not in one (`amkpi.layers`, other packages)."""
    parts = module.split(".")
    return parts[1] if parts[0] == "amkpi" and len(parts) > 1 and parts[1] in LAYERS else None


@pytest.fixture(scope="session")
def graph() -> dict[str, set[str]]:
    """Per layer, the other layers that it imports."""
    arrows: dict[str, set[str]] = defaultdict(set)
    for layer in LAYERS:
        files = python_files(PACKAGE / layer)
        assert files, f"the layer {layer} has no module"
        for path in files:
            arrows[layer] |= {other for module in imports(path) if (other := layer_of(module))} - {layer}
    return arrows


def test_every_folder_of_the_package_is_a_layer() -> None:
    found = {path.name for path in PACKAGE.iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert found == {*LAYERS, "dags", "dbt_project"}


def test_no_layer_imports_a_layer_above_it(graph: dict[str, set[str]], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nimports by layer:")
        for layer in ORDER:
            print(f"  {layer:14} <- {', '.join(sorted(graph[layer], key=ORDER.index)) or 'nothing'}")
    upward = {(layer, other) for layer in ORDER for other in graph[layer] if ORDER.index(other) > ORDER.index(layer)}
    assert not upward


def test_the_product_imports_neither_tests_nor_tools() -> None:
    for path in [*python_files(PACKAGE), *(found for layer in LAYERS for found in python_files(PACKAGE / layer))]:
        outside = {name for name in imports(path) if name.split(".")[0] in ("tests", "tools", *LAYERS)}
        assert not outside, f"{path.relative_to(ROOT)} imports {outside}"


def test_dags_import_only_the_highest_layers() -> None:
    for path in python_files(DAGS):
        layers = {layer_of(name) for name in imports(path)} - {None}
        assert layers <= {"alerts", "interfaces", "pipeline", "scorecards"}, f"{path.name} imports {layers}"


def test_no_module_is_long_and_no_folder_is_crowded() -> None:
    folders: dict[Path, int] = defaultdict(int)
    long = {}
    for layer in LAYERS:
        for path in python_files(PACKAGE / layer):
            folders[path.parent] += path.name != "__init__.py"
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > MOST_LINES:
                long[str(path.relative_to(ROOT))] = lines
    assert not long
    assert not {str(folder.relative_to(ROOT)): count for folder, count in folders.items() if count > MOST_MODULES}


def test_the_readme_lists_the_layers() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(?:amkpi/)?(\w+)/` \| ([^|]+) \|$", readme, re.M)
    assert [(name, text.strip()) for name, text in table if name in LAYERS] == list(LAYERS.items())


def test_the_oracle_imports_nothing_of_the_project() -> None:
    files = [path for path in (ROOT / "tests" / "oracle").glob("*.py") if not path.name.startswith("test_")]
    assert len(files) > 5
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0}
        assert not {name for name in modules if name and name.split(".")[0] in ("amkpi", "tools", *LAYERS)}, path


def test_the_lock_has_hashes_and_no_addresses() -> None:
    for name in ("dev.lock", "stack.lock", "celery.lock", "spark.lock", "s3-server.lock", "s3-jars.lock", "uv.lock"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        pins = re.findall(r"^[a-z0-9][\w.\-\[\]]*==\S+", text, re.M)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
        assert "--index-url" not in text


def test_the_image_and_the_environment_of_spark_have_the_versions_that_are_tested() -> None:
    pins = {
        name: dict(re.findall(r"^([a-z0-9][\w.\-\[\]]*)==(\S+)", (ROOT / "requirements" / name).read_text(), re.M))
        for name in ("dev.lock", "stack.lock", "celery.lock", "spark.lock")
    }
    for lock in ("stack.lock", "celery.lock", "spark.lock"):
        both = pins["dev.lock"].keys() & pins[lock].keys()
        assert len(both) > 100
        assert {name: pins[lock][name] for name in both} == {name: pins["dev.lock"][name] for name in both}
