"""Which part may know which: data flows one way, and only the command line and the DAGs know all the parts."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What every part may use: errors, paths, settings.
FOUNDATION = {"amkpi.errors", "amkpi.home", "amkpi.settings"}
MAY_IMPORT = {
    "ingestion": FOUNDATION | {"ingestion"},
    # The gate checks what the loader declares, by the same declaration.
    "expectations": FOUNDATION | {"expectations", "ingestion.extracts"},
    "amkpi/sample": {"amkpi.sample"},
    "scorecards": {
        *FOUNDATION,
        "scorecards",
        "amkpi.auditing",
        "amkpi.catalogue",
        "amkpi.explaining",
        "amkpi.publishing",
        "amkpi.reading",
        "amkpi.steps",
        "amkpi.warehouse",
        "amkpi.wording",
    },
    "dags": {
        "amkpi.alarms",
        "amkpi.backup",
        "amkpi.orchestration",
        "amkpi.publishing",
        "amkpi.steps",
        "scorecards.delivering",
    },
}
OURS = ("amkpi", "ingestion", "expectations", "scorecards", "tests", "dags")


def imports(path: Path) -> set[str]:
    """The project's own modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from amkpi import steps` names a module; `from amkpi.steps import Run` something in one.
            whole = node.module in OURS
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if whole else {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] in OURS}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_lies_before_it(part: str) -> None:
    files = list((ROOT / part).rglob("*.py"))
    assert files
    allowed = MAY_IMPORT[part]
    for path in files:
        for name in imports(path):
            # A part may import all of its own; of `amkpi` only the modules named.
            own = any(name.startswith(f"{other}.") for other in allowed)
            assert name in allowed or own, f"{path.relative_to(ROOT)} imports {name}"


def test_the_oracle_imports_nothing_of_the_project() -> None:
    files = [path for path in (ROOT / "tests" / "oracle").glob("*.py") if not path.name.startswith("test_")]
    assert len(files) > 5
    for path in files:
        assert not {name for name in imports(path) if not name.startswith("tests.oracle")}, path


def test_the_lock_has_hashes_and_no_addresses() -> None:
    for name in ("dev.lock", "stack.lock", "uv.lock"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        pins = re.findall(r"^[a-z0-9][\w.\-\[\]]*==\S+", text, re.M)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
        assert "--index-url" not in text


def test_the_image_has_the_versions_that_are_tested() -> None:
    pins = {
        name: dict(re.findall(r"^([a-z0-9][\w.\-\[\]]*)==(\S+)", (ROOT / "requirements" / name).read_text(), re.M))
        for name in ("dev.lock", "stack.lock")
    }
    both = pins["dev.lock"].keys() & pins["stack.lock"].keys()
    assert len(both) > 100
    assert {name: pins["stack.lock"][name] for name in both} == {name: pins["dev.lock"][name] for name in both}
