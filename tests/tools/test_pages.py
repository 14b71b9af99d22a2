"""The pages for developers name only files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")),
         *sorted((ROOT / "docs" / "decisions").glob("*.md"))]  # fmt: skip
# The top folders of the repository: a code span that begins with one of them is a path.
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}


def paths(page: Path) -> set[str]:
    """The paths of the repository that a page has as code; `<name>` and capitals stand for any name."""
    spans = re.findall(r"`([^`\s]+)`", page.read_text(encoding="utf-8"))
    named = {re.sub(r"::.*", "", span) for span in spans if span.split("/")[0] in FOLDERS and "/" in span}
    return {re.sub(r"<\w+>|\b[A-Z]{3,}\b", "*", name) for name in named if "docs/site" not in name}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    assert [name for name in sorted(paths(page)) if not any(ROOT.glob(name.rstrip("/")))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", page.read_text(encoding="utf-8"))
    named = {one or other for one, other in links}
    assert [link for link in sorted(named) if "://" not in link and not (page.parent / link).exists()] == []


def test_the_pages_for_developers_name_many_paths() -> None:
    assert len(paths(ROOT / "README.md")) > 20
    assert len(paths(ROOT / "CONTRIBUTING.md")) > 25
