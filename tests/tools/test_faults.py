"""docs/faults.md names only tests that exist."""

from __future__ import annotations

import re

from tests.paths import ROOT

PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    existing = set(re.findall(r"^def (test_\w+)\(", sources, re.M))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 40
    assert sorted(named - existing) == []


def test_every_file_that_the_page_names_exists() -> None:
    files = re.findall(r"`(tests/\S+\.py)`", PAGE)
    assert len(files) > 3
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_every_row_of_the_page_names_its_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("|---")]
    assert len(rows) > 45
    assert [row for row in rows if "test" not in row.rstrip("| ").rpartition("|")[2]] == []
