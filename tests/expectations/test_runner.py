"""How the audit runs: what it reports, what blocks, and that no error lets a build pass."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.findings import EXAMPLES, MOST_ROWS, Finding
from amkpi.core.settings import Settings
from amkpi.expectations import runner
from amkpi.expectations.context import AuditContext
from amkpi.expectations.discovery import Suite, all_suites
from amkpi.expectations.runner import audit_suites, audit_warehouse
from amkpi.ingestion.contracts.extracts import FAMILIES
from tests.expectations.audits import CONTEXT, LOADED_AT, audit, blocking, failed, silent
from tests.expectations.conftest import Break, built, settings_of
from tests.paths import EXAMPLE

# The build takes 10 s, Great Expectations 6 s to import; then an audit takes 0.6 s.
pytestmark = pytest.mark.slow

_numbers = count(1)


def query_expectation(failing_rows: str, precheck: str = "", severity: str = "blocking") -> Any:
    """A new expectation on `marts.scorecards`. Great Expectations knows classes by name, so each gets another one."""
    from amkpi.expectations.expectation import BLOCKING, WARNING, FailingRowsExpectation

    number = next(_numbers)
    members = {
        "__module__": __name__,
        "name": f"rule_{number}",
        "table": "marts.scorecards",
        "column_name": "rating",
        "advice": "correct it",
        "singular": "thing",
        "plural": "things",
        "severity": BLOCKING if severity == "blocking" else WARNING,
        "failing_rows": classmethod(lambda cls, settings, context: failing_rows),
        "precheck": classmethod(lambda cls, settings, context: precheck),
    }
    return type(f"Rule{number}", (FailingRowsExpectation,), members)


def column_expectation(shipped: str, arguments: Mapping[str, Any]) -> Any:
    """An expectation with the name of a class of Great Expectations, on `marts.scorecards.rating`."""
    import great_expectations.expectations as great

    from amkpi.expectations.expectation import WARNING, ColumnExpectation

    number = next(_numbers)
    members = {
        "__module__": __name__,
        "name": f"rule_{number}",
        "table": "marts.scorecards",
        "column_name": "rating",
        "advice": "correct it",
        "severity": WARNING,
        "arguments": classmethod(lambda cls, settings, context: arguments),
    }
    return type(f"Rule{number}", (ColumnExpectation, getattr(great, shipped)), members)


def findings_of(warehouse: Path, settings: Settings, *expectations: Any) -> list[Finding]:
    return audit_suites(warehouse, settings, CONTEXT, [Suite("marts", expectations)], silent)


def test_a_sound_warehouse_has_a_finding_for_each_expectation_and_none_fails(sound: Path, settings: Settings) -> None:
    findings = audit(sound, settings)
    declared = [expectation for suite in all_suites() for expectation in suite.expectations]
    assert failed(findings) == set()
    assert {name: finding.severity for name, finding in findings.items()} == {
        expectation.name: expectation.finding_severity() for expectation in declared
    }
    assert all(finding.observed.startswith("0 ") and finding.unexpected_count == 0 for finding in findings.values())


def test_the_example_of_the_specification_has_no_finding_that_blocks(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    for file in (EXAMPLE / "landing").glob("*.csv"):
        (landing / file.stem).mkdir(parents=True)
        shutil.copy(file, landing / file.stem / file.name)
    warehouse = built(tmp_path / "home", landing, date(2026, 10, 17))
    findings = audit(warehouse, settings_of(tmp_path), AuditContext(date(2026, 10, 17), LOADED_AT))
    assert blocking(findings) == set()
    # This agency has every edge case: credit before somebody joined, clients between two managers, few costs.
    assert failed(findings) == {
        "owners_are_account_staff",
        "every_active_client_has_a_manager",
        "delivered_projects_have_a_budget",
        "delivered_projects_have_costs",
        "cost_ratios_are_plausible",
    }


def test_the_full_query_runs_only_if_the_precheck_fails(sound: Path, settings: Settings) -> None:
    def finding(precheck: str, failing_rows: str) -> Finding:
        return findings_of(sound, settings, query_expectation(failing_rows, precheck))[0]

    nothing, something = "select 'x' as what from {batch} where false", "select 'x' as what from {batch} limit 1"
    fails_when_asked = "select error('asked') as what from {batch}"
    assert finding(nothing, fails_when_asked).success
    assert "asked" in finding(something, fails_when_asked).observed
    assert finding(something, nothing).success
    assert finding(something, "select distinct 'y' as what from {batch}").observed == "1 thing: y"
    # A precheck that cannot run counts as failed.
    assert finding(fails_when_asked, nothing).success
    assert finding(fails_when_asked, something).blocks


def test_an_agency_without_any_delivery_only_gets_a_warning(broken: Break, settings: Settings) -> None:
    with duckdb.connect(str(warehouse := broken())) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'audit'"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"delete from {table}")
    assert blocking(findings := audit(warehouse, settings)) == set()
    assert failed(findings) == {"every_family_was_delivered"}
    assert findings["every_family_was_delivered"].unexpected_count == len(FAMILIES)


def test_a_finding_names_a_few_failures_and_counts_all(broken: Break, settings: Settings) -> None:
    finding = audit(broken("update marts.kpi_values set null_reason = 'nothing_due'"), settings)[
        "null_exactly_with_a_reason"
    ]
    assert finding.unexpected_count > MOST_ROWS
    assert len(finding.rows) == MOST_ROWS
    assert finding.observed.startswith(f"{finding.unexpected_count} rows: ")
    assert finding.observed.count(";") == EXAMPLES
    assert finding.observed.endswith("; …")


def test_an_expectation_on_a_missing_table_blocks(broken: Break, settings: Settings) -> None:
    findings = audit(broken("drop table marts.scorecards"), settings)
    assert (
        blocking(findings)
        == failed(findings)
        == {
            "scores_between_0_and_the_cap",
            "ratings_are_of_the_bands",
            "closed_scorecards_stand_still",
        }
    )
    for name in blocking(findings):
        assert findings[name].observed.startswith("could not run: ")
        assert "scorecards" in findings[name].observed
        assert "\n" not in findings[name].observed


def test_an_expectation_whose_query_needs_a_missing_table_blocks(broken: Break, settings: Settings) -> None:
    findings = audit(broken("drop table kpis.kpi_client_revenue"), settings)
    # The records are a view of the KPI tables, so the expectations on them cannot run either.
    assert blocking(findings) == {
        "revenue_is_what_the_records_say",
        "evidence_adds_up_to_the_values",
        "owners_are_account_staff",
        "records_are_of_this_age",
    }
    assert all(findings[name].observed.startswith("could not run: ") for name in blocking(findings))


def test_a_missing_column_blocks(broken: Break, settings: Settings) -> None:
    findings = audit(broken("alter table marts.scorecards drop column rating"), settings)
    assert blocking(findings) == {"ratings_are_of_the_bands", "closed_scorecards_stand_still"}
    assert findings["ratings_are_of_the_bands"].observed.startswith("could not run: ")


def test_a_warning_that_cannot_run_blocks_too(broken: Break, settings: Settings) -> None:
    # Valid rows are a view of the parsed rows: no expectation on either can run.
    assert blocking(audit(broken("drop table parsed.clients"), settings)) == {
        "no_clock_is_ahead",
        "no_two_clients_share_a_name",
    }


@pytest.mark.parametrize(
    "failing_rows",
    [
        "selekt nothing {batch}",
        "select cast('x' as integer) as what from {batch}",
        "select 1 as what from {table}",
        "select 1 as what from {batch",
    ],
)
def test_a_wrong_query_blocks(sound: Path, settings: Settings, failing_rows: str) -> None:
    (finding,) = findings_of(sound, settings, query_expectation(failing_rows, severity="warning"))
    assert finding.blocks
    assert finding.observed.startswith("could not run: ")


@pytest.mark.parametrize(
    ("shipped", "arguments"),
    [
        ("ExpectColumnValuesToBeInSet", {"value_set": 3}),
        ("ExpectColumnValuesToBeInSet", {"values": ["A"]}),
        ("ExpectColumnValuesToBeBetween", {"min_value": 2, "max_value": 1}),
    ],
)
def test_wrong_arguments_block(sound: Path, settings: Settings, shipped: str, arguments: Mapping[str, Any]) -> None:
    (finding,) = findings_of(sound, settings, column_expectation(shipped, arguments))
    assert finding.blocks
    assert finding.observed.startswith("could not run: ")


def test_a_query_that_fails_leaves_the_others_of_its_table_alone(sound: Path, settings: Settings) -> None:
    wrong = query_expectation("select nothing as what from {batch}")
    right = query_expectation("select rating as what from {batch} where false")
    assert [finding.success for finding in findings_of(sound, settings, wrong, right)] == [False, True]


@pytest.mark.parametrize(
    ("change", "observed"),
    [
        (lambda results: results[1:], "1 results for 2 expectations"),
        (lambda results: [*results, results[0]], "3 results for 2 expectations"),
        (lambda results: [], "0 results for 2 expectations"),
    ],
)
def test_another_number_of_results_than_of_expectations_blocks(
    sound: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, change: Any, observed: str
) -> None:
    honest = runner._TableAudit._results
    monkeypatch.setattr(runner._TableAudit, "_results", lambda *arguments: change(honest(*arguments)))
    fine = [query_expectation("select rating as what from {batch} where false") for _ in range(2)]
    findings = findings_of(sound, settings, *fine)
    miscounted = [finding for finding in findings if finding.expectation == "every_expectation_is_judged"]
    assert [finding.observed for finding in miscounted] == [observed]
    assert miscounted[0].blocks
    assert any(finding.blocks for finding in findings if finding.expectation.startswith("rule_"))


def test_without_great_expectations_everything_blocks(
    sound: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_suites()  # the expectations are imported, and then the audit cannot start
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    findings = audit(sound, settings)
    assert len(findings) > 20
    assert blocking(findings) == set(findings)


def test_expectations_that_cannot_be_imported_block(
    sound: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ImportError("half installed")

    monkeypatch.setattr(runner, "all_suites", broken)
    (finding,) = audit_warehouse(sound, settings, CONTEXT, silent)
    assert finding.blocks
    assert finding.observed == "could not run: half installed"


def test_a_warehouse_that_is_not_there_blocks_and_is_not_made(tmp_path: Path, settings: Settings) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    findings = audit(warehouse, settings)
    assert blocking(findings) == set(findings)
    assert not warehouse.exists()


def test_a_file_that_is_no_database_blocks(tmp_path: Path, settings: Settings) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    warehouse.write_text("kpi,value\n" * 2000, encoding="utf-8")
    findings = audit(warehouse, settings)
    assert blocking(findings) == set(findings)


def test_the_warehouse_can_be_written_at_once_after_an_audit_and_the_next_audit_sees_it(
    broken: Break, settings: Settings
) -> None:
    warehouse = broken()
    assert failed(audit(warehouse, settings)) == set()
    with duckdb.connect(str(warehouse), config={"memory_limit": "512MB"}) as connection:
        connection.execute("update marts.scorecards set rating = 'E'")
    assert blocking(audit(warehouse, settings)) == {"ratings_are_of_the_bands"}


def test_another_process_can_write_the_warehouse_after_an_audit(broken: Break, settings: Settings) -> None:
    # Even after an audit with errors: an exception must not keep a connection open.
    warehouse = broken("drop table kpis.kpi_client_revenue")
    audit(warehouse, settings)
    code = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create table audit.mark (mark integer)')"
    subprocess.run([sys.executable, "-c", code, str(warehouse)], check=True)


def test_an_audit_changes_nothing(broken: Break, settings: Settings) -> None:
    warehouse = broken()
    before = warehouse.read_bytes()
    audit(warehouse, settings)
    assert warehouse.read_bytes() == before
    assert [file.name for file in warehouse.parent.iterdir()] == ["warehouse.duckdb"]


def test_a_folder_may_hold_any_sign(broken: Break, settings: Settings) -> None:
    assert failed(audit(broken(folder="Nhà $HOME ?a=1&b #2 %41 'q'"), settings)) == set()


def test_progress_gets_a_line_for_each_table_and_nothing_is_printed(
    sound: Path, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    audit_warehouse(sound, settings, CONTEXT, lines.append)
    assert "raw: validation.quarantine, 2 expectations" in lines
    assert len(lines) == sum(len(suite.by_table()) for suite in all_suites())
    assert capfd.readouterr() == ("", "")


def test_a_process_that_ran_an_audit_prints_nothing(sound: Path) -> None:
    code = (
        "import sys; from datetime import UTC, date, datetime; from pathlib import Path;"
        "from amkpi.core.home import Home;"
        "from amkpi.core.settings import load_settings; from amkpi.expectations.runner import audit_warehouse;"
        "from amkpi.expectations.context import AuditContext; path = Path(sys.argv[1]);"
        "context = AuditContext(date(2026, 3, 20), datetime(2026, 3, 20, 14, tzinfo=UTC));"
        "audit_warehouse(path, load_settings(Home.at(path.parent), {}), context, lambda line: None)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(sound)], check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("", "")


def test_the_context_is_not_written_for_each_table(
    sound: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from great_expectations.data_context.store.data_context_store import DataContextStore

    written: list[object] = []
    serialize = DataContextStore.serialize
    monkeypatch.setattr(DataContextStore, "serialize", lambda *given: written.append(given) or serialize(*given))
    assert failed(audit(sound, settings)) == set()
    assert written == []
