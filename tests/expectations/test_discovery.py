"""Expectations are found by folder, and a file that breaks a rule is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings, load_settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.discovery import SUITES, Suite, all_suites, find_suites
from amkpi.ingestion.contracts.extracts import EXTRACTS
from tests.expectations.audits import AS_OF, LOADED_AT

# Great Expectations takes 6 s to import.
pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
EXPECTATION = """
from amkpi.expectations.expectation import FailingRowsExpectation, WARNING


class {class_name}(FailingRowsExpectation):
    name = "{name}"
    table = "marts.scorecards"
    severity = WARNING
    advice = "{advice}"

    @classmethod
    def failing_rows(cls, settings, context):
        return "select rating as what from {{batch}}"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """An empty package with the folders of two suites; each test imports one of another name."""
    package = tmp_path / f"found_{abs(hash(request.node.name))}"
    for each in (package, package / "raw", package / "raw" / "clients", package / "marts"):
        each.mkdir()
        (each / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


def write(path: Path, name: str, advice: str = "correct it") -> None:
    """Write a file with one expectation. Great Expectations knows classes by name, so it holds that of the folder."""
    class_name = f"{name.title().replace('_', '')}{path.parts[-3].title().replace('_', '')}"
    path.write_text(EXPECTATION.format(class_name=class_name, name=name, advice=advice), encoding="utf-8")


def found_in(folder: Path) -> tuple[Suite, ...]:
    return find_suites(folder, folder.name, ("raw", "marts"))


def test_a_new_file_is_a_new_expectation(folder: Path) -> None:
    assert [suite.expectations for suite in found_in(folder)] == [(), ()]
    write(folder / "raw" / "clients" / "no_two_alike.py", "no_two_alike")
    raw, marts = found_in(folder)
    assert [(each.name, each.table, each.finding_severity()) for each in raw.expectations] == [
        ("no_two_alike", "marts.scorecards", "warning")
    ]
    assert marts.expectations == ()


def test_a_file_without_an_expectation_is_refused(folder: Path) -> None:
    (folder / "marts" / "nothing.py").write_text(
        "from amkpi.expectations.expectation import FailingRowsExpectation\n", encoding="utf-8"
    )
    with pytest.raises(AmkpiError, match=r"marts\.nothing defines 0 expectations"):
        found_in(folder)


def test_two_expectations_in_one_file_are_refused(folder: Path) -> None:
    write(folder / "marts" / "first.py", "first")
    with (folder / "marts" / "first.py").open("a", encoding="utf-8") as file:
        file.write(EXPECTATION.format(class_name="Second", name="second", advice="correct it"))
    with pytest.raises(AmkpiError, match=r"marts\.first defines 2 expectations"):
        found_in(folder)


def test_two_expectations_of_one_name_are_refused(folder: Path) -> None:
    write(folder / "raw" / "clients" / "same.py", "same")
    write(folder / "marts" / "same.py", "same")
    with pytest.raises(AmkpiError, match=r"marts\.same and .*raw\.clients\.same are both same"):
        found_in(folder)


def test_an_expectation_without_advice_is_refused(folder: Path) -> None:
    write(folder / "marts" / "mute.py", "mute", advice="")
    with pytest.raises(AmkpiError, match=r"marts\.mute: .* has no advice"):
        found_in(folder)


def test_an_expectation_with_another_name_than_its_file_is_refused(folder: Path) -> None:
    write(folder / "marts" / "one.py", "other")
    with pytest.raises(AmkpiError, match=r"named other: name it one like its file"):
        found_in(folder)


# -- the expectations of the project -----------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(Home.at(tmp_path), {})


# Without and with a publication to compare with.
CONTEXTS = [
    AuditContext(AS_OF, LOADED_AT, 3),
    AuditContext(AS_OF, LOADED_AT, 3, published=Path("kpi_0123456789abcdef.duckdb")),
]


def queries(settings: Settings) -> list[str]:
    """Every query of the project, without and with a publication to compare with."""
    from amkpi.expectations.expectation import FailingRowsExpectation

    return [
        query
        for context in CONTEXTS
        for suite in all_suites()
        for each in suite.expectations
        if issubclass(each, FailingRowsExpectation)
        for query in (
            each.failing_rows(settings, context),
            each.concerned_rows(settings, context),
            each.precheck(settings, context),
        )
    ]


def test_the_suites_have_expectations_each_in_a_file_of_its_name() -> None:
    assert [suite.name for suite in all_suites()] == list(SUITES)
    assert [len(suite.expectations) for suite in all_suites()] > [5, 5, 5]


def test_each_expectation_says_what_to_do_when_it_fails() -> None:
    assert [each.name for suite in all_suites() for each in suite.expectations if len(each.advice) < 40] == []


def test_each_table_has_a_schema() -> None:
    tables = {each.table for suite in all_suites() for each in suite.expectations}
    assert [table for table in tables if not re.fullmatch(r"[a-z]+\.[a-z_]+", table)] == []


def test_no_query_contains_what_sqlalchemy_takes_for_a_parameter(settings: Settings) -> None:
    assert len(queries(settings)) > 50
    assert [query for query in queries(settings) if re.search(r":\w", query)] == []


@pytest.mark.parametrize("context", CONTEXTS, ids=["the first publication", "a later one"])
def test_an_audit_prints_nothing_of_its_own(
    settings: Settings, context: AuditContext, capfd: pytest.CaptureFixture[str]
) -> None:
    # Great Expectations prints a line for each query that does not read the table of its expectation.
    for suite in all_suites():
        for each in suite.expectations:
            each.question(settings, context)
    assert capfd.readouterr().out == ""


def test_the_tables_of_a_suite_hold_each_expectation_once() -> None:
    for suite in all_suites():
        by_table = [each for expectations in suite.by_table().values() for each in expectations]
        assert sorted(each.name for each in by_table) == sorted(each.name for each in suite.expectations)


def test_every_extract_is_counted(settings: Settings) -> None:
    (query,) = {query for query in queries(settings) if "not in the ledger" in query}
    assert [name for name in EXTRACTS if f"from raw.{name} " not in query] == []


def test_each_expectation_is_in_the_tests_of_its_suite() -> None:
    for suite in all_suites():
        tests = "".join(path.read_text(encoding="utf-8") for path in (TESTS / suite.name).glob("*.py"))
        assert [each.name for each in suite.expectations if f'"{each.name}"' not in tests] == []
