"""Finds the expectations: every file below `raw/`, `agency/` and `marts/` holds one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from amkpi.core.errors import AmkpiError

if TYPE_CHECKING:
    from amkpi.expectations.expectation import AuditExpectation

# In the order in which they run: what came in, what the data says, what goes out.
SUITES = ("raw", "agency", "marts")
FOLDER = Path(__file__).parent
PACKAGE = "amkpi.expectations"


@dataclass(frozen=True)
class Suite:
    """The expectations below one folder, ordered by their path."""

    name: str
    expectations: tuple[type[AuditExpectation], ...]

    def by_table(self) -> dict[str, tuple[type[AuditExpectation], ...]]:
        """The expectations of each table. Great Expectations checks one table at a time."""
        tables = dict.fromkeys(each.table for each in self.expectations)
        return {table: tuple(each for each in self.expectations if each.table == table) for table in tables}


@cache
def all_suites() -> tuple[Suite, ...]:
    """The suites of the audit. Imports Great Expectations. Raises AmkpiError for a file that breaks a rule below."""
    return find_suites(FOLDER, PACKAGE, SUITES)


def find_suites(folder: Path, package: str, names: tuple[str, ...]) -> tuple[Suite, ...]:
    """The suites in these subfolders of a folder, which is imported as `package`.

    Each file defines exactly one expectation, which has the name of the file, a table and an advice; no two have the
    same name. Raises AmkpiError otherwise.
    """
    suites = tuple(Suite(name, tuple(_find(folder, package, name))) for name in names)
    seen: dict[str, str] = {}
    for suite in suites:
        for each in suite.expectations:
            if each.name in seen:
                raise AmkpiError(f"{each.__module__} and {seen[each.name]} are both {each.name}: rename one")
            seen[each.name] = each.__module__
    return suites


def _find(folder: Path, package: str, suite: str) -> Iterator[type[AuditExpectation]]:
    for path in sorted((folder / suite).rglob("*.py")):
        if path.name != "__init__.py":
            yield _defined_in(".".join([package, *path.relative_to(folder).with_suffix("").parts]))


def _defined_in(module: str) -> type[AuditExpectation]:
    from amkpi.expectations.expectation import AuditExpectation

    members = vars(import_module(module)).values()
    found = [
        each
        for each in members
        if isinstance(each, type) and issubclass(each, AuditExpectation) and each.__module__ == module
    ]
    if len(found) != 1:
        raise AmkpiError(f"{module} defines {len(found)} expectations: a file defines exactly one")
    (expectation,) = found
    for attribute in ("name", "table", "advice"):
        if not getattr(expectation, attribute, None):
            raise AmkpiError(f"{module}: {expectation.__name__} has no {attribute}: add it")
    stem = module.rpartition(".")[2]
    if expectation.name != stem:
        raise AmkpiError(f"{module}: the expectation is named {expectation.name}: name it {stem} like its file")
    return expectation
