"""Each fault is planted into a warehouse, and must be found; what is sound must not be reported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.findings import Finding
from amkpi.core.settings import Settings
from amkpi.expectations import runner
from amkpi.expectations.context import Occasion
from amkpi.expectations.declaration import Builtin, Expected, NoRows, Suite
from amkpi.expectations.runner import all_suites, audit_suites, audit_warehouse
from amkpi.ingestion.contracts.extracts import FAMILIES
from tests.changed_settings import changed
from tests.expectations.conftest import AS_OF, LOADED_AT, Break, built, settings_of
from tests.paths import EXAMPLE

# The build takes 10 s, Great Expectations 6 s to import; then an audit takes 0.6 s.
pytestmark = pytest.mark.slow


OWN_JANUARY = "scope = 'own' and staff_id = 'A1' and period_grain = 'month' and period_start = date '2026-01-01'"
NEWEST_YEAR = "period_grain = 'trailing_12m' and period_end = date '2026-03-31'"
COMPANY_JANUARY = "scope = 'company' and period_grain = 'month' and period_start = date '2026-01-01'"
A_QUARANTINED_ROW = (
    "insert into validation.quarantine"
    " select '{0}', _delivery, _line, 'bad_type', null, null, false from raw.{0} limit 1"
)
A_REJECTED_FILE = (
    "insert into raw.ledger select 99, max(run){}, 'contracts/broken.csv', 'contracts', null, 'ab', 3, 'rejected',"
    " 'not readable', 0, max(loaded_at), true from raw.ledger"
)
A_LOADED_FILE = (
    "insert into raw.ledger select 100, max(run) + 1, 'contracts/empty.csv', 'contracts', null, 'cd', 3, 'loaded',"
    " null, 0, max(loaded_at), true from raw.ledger"
)


OCCASION = Occasion(AS_OF, LOADED_AT)


def audit(warehouse: Path, settings: Settings, occasion: Occasion = OCCASION) -> dict[str, Finding]:
    findings = audit_warehouse(warehouse, settings, occasion, lambda line: None)
    assert len(findings) == sum(len(suite.expected) for suite in all_suites(settings, occasion))
    return {finding.expectation: finding for finding in findings}


def failed(findings: dict[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if not finding.success}


def blocking(findings: dict[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.blocks}


def test_a_sound_warehouse_has_a_finding_for_each_expectation_and_none_fails(sound: Path, settings: Settings) -> None:
    findings = audit(sound, settings)
    declared = [expected for suite in all_suites(settings, OCCASION) for expected in suite.expected]
    assert failed(findings) == set()
    assert set(findings) == {expected.name for expected in declared}
    assert all(finding.observed.startswith("0 ") and finding.unexpected_count == 0 for finding in findings.values())
    assert {name: finding.severity for name, finding in findings.items()} == {
        expected.name: expected.severity for expected in declared
    }


def test_the_example_of_the_specification_has_no_finding_that_blocks(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    for file in (EXAMPLE / "landing").glob("*.csv"):
        (landing / file.stem).mkdir(parents=True)
        shutil.copy(file, landing / file.stem / file.name)
    warehouse = built(tmp_path / "home", landing, date(2026, 10, 17))
    occasion = Occasion(date(2026, 10, 17), LOADED_AT)
    findings = audit(warehouse, settings_of(tmp_path), occasion)
    assert blocking(findings) == set()
    # An agency made for every edge: people credited before they came, clients between two managers, few costs.
    assert failed(findings) == {
        "owners_are_account_staff",
        "every_active_client_has_a_manager",
        "delivered_projects_have_a_budget",
        "delivered_projects_have_costs",
    }


# expectation, what it says it observed (a part), and the statements that plant the fault.
BROKEN_INVARIANTS: list[tuple[str, str | None, list[str]]] = [
    (
        "every_row_read_is_in_raw",
        "1 file: clients/clients.csv as clients read 2, in raw 1",
        ["delete from raw.clients where client_id = 'C2'"],
    ),
    (
        "every_row_read_is_in_raw",
        "1 file: delivery 77, not in the ledger, as clients read 0, in raw 1",
        ["insert into raw.clients select * replace (77 as _delivery) from raw.clients limit 1"],
    ),
    (
        "no_loop_in_the_chain_of_managers",
        "2 people: A1 Trần Văn An from 2025-01-01; M1 Nguyễn Thị Minh from 2025-01-01",
        [
            # M1 reports to A1, who reports to M1; R1 stands below the loop and is no part of it.
            "insert into intermediate.int_management_chain"
            " select staff_id, manager_id, date '2025-01-01', date '9999-12-31', true, true"
            " from (values ('A1', 'A1'), ('M1', 'M1'), ('R1', 'M1')) as loops (staff_id, manager_id)"
        ],
    ),
    (
        "no_loop_in_the_chain_of_managers",
        "1 person: R1 Lê Thu Hà from 2025-01-01",
        ["update intermediate.int_management_chain set is_loop = true where staff_id = 'R1'"],
    ),
    (
        "revenue_is_what_the_records_say",
        "1 period: month 2026-01-01 shows 127500000.26, records say 127500000.0",
        [f"update marts.kpi_values set value = value * (1 + 2e-9) where kpi = 'client_revenue' and {COMPANY_JANUARY}"],
    ),
    (
        "revenue_is_what_the_records_say",
        None,
        [
            "update marts.kpi_values set value = null, null_reason = 'nothing_due'"
            f" where kpi = 'client_revenue' and {COMPANY_JANUARY}"
        ],
    ),
    (
        # In no period: only the sum over all months shows it.
        "revenue_is_what_the_records_say",
        "1 period: all months shows 285082417.58, records say 405082417.58",
        [
            "insert into kpis.kpi_client_revenue"
            " select * replace (date '2019-05-05' as event_date) from kpis.kpi_client_revenue"
            " where source_id = 'K1'"
        ],
    ),
    (
        "evidence_adds_up_to_the_values",
        "1 value: on_time_delivery_rate A1 month 2026-01-01 is 2.0/2.0, records give 1.0/2.0",
        [
            "update marts.kpi_values set numerator = numerator + 1"
            f" where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}"
        ],
    ),
    (
        "evidence_adds_up_to_the_values",
        "1 value: on_time_delivery_rate A1 month 2026-01-01 is 1.0/3.0, records give 1.0/2.0",
        [
            "update marts.kpi_values set denominator = denominator + 1"
            f" where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}"
        ],
    ),
    (
        "evidence_adds_up_to_the_values",
        None,
        [f"update marts.kpi_values set numerator = null where kpi = 'client_satisfaction' and {OWN_JANUARY}"],
    ),
    (
        # A record that no value explains, in each period that holds it.
        "evidence_adds_up_to_the_values",
        None,
        ["delete from kpis.kpi_cost_to_budget_ratio where source_id = 'J1'"],
    ),
    (
        "evidence_adds_up_to_the_values",
        "6 values: ",
        [f"delete from marts.kpi_values where {OWN_JANUARY}"],
    ),
    (
        # The company's sum is as it was, in every period.
        "evidence_adds_up_to_the_values",
        "2 values: contract_win_rate A1 trailing_12m",
        [
            "update marts.kpi_values set denominator = denominator + case staff_id when 'A1' then 1 else -1 end"
            f" where kpi = 'contract_win_rate' and scope = 'own' and staff_id in ('A1', 'M1') and {NEWEST_YEAR}"
        ],
    ),
    (
        # Not by much, of an amount of nine digits.
        "evidence_adds_up_to_the_values",
        "1 value: client_revenue A1 trailing_12m",
        [
            "update marts.kpi_values set numerator = numerator + 1"
            f" where kpi = 'client_revenue' and scope = 'own' and staff_id = 'A1' and {NEWEST_YEAR}"
        ],
    ),
    (
        # One has a row of another's: as many as everywhere.
        "everyone_has_all_eight_kpis",
        "2 sets: ",
        [f"update marts.kpi_values set staff_id = 'M1' where kpi = 'internal_collaboration_score' and {OWN_JANUARY}"],
    ),
    (
        "everyone_has_all_eight_kpis",
        "1 set: own A1 month 2026-01-01 has 7",
        [f"delete from marts.kpi_values where kpi = 'internal_collaboration_score' and {OWN_JANUARY}"],
    ),
    (
        "everyone_has_all_eight_kpis",
        "1 set: own A1 month 2026-01-01 has 8",
        [f"update marts.kpi_values set kpi = 'kindness' where kpi = 'internal_collaboration_score' and {OWN_JANUARY}"],
    ),
    (
        "numbers_are_finite",
        "1 row: client_revenue own A1 month 2026-01-01",
        [f"update marts.kpi_values set value = 'inf' where kpi = 'client_revenue' and {OWN_JANUARY}"],
    ),
    (
        "numbers_are_finite",
        "1 row: client_revenue company month 2026-01-01",
        [f"update marts.kpi_values set numerator = 'nan' where kpi = 'client_revenue' and {COMPANY_JANUARY}"],
    ),
    (
        "null_exactly_with_a_reason",
        "1 row: on_time_delivery_rate own A1 month 2026-01-01",
        [f"update marts.kpi_values set value = null where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}"],
    ),
    (
        "null_exactly_with_a_reason",
        "1 row: on_time_delivery_rate own A1 month 2026-01-01",
        [
            "update marts.kpi_values set null_reason = 'nothing_due'"
            f" where kpi = 'on_time_delivery_rate' and {OWN_JANUARY}"
        ],
    ),
    (
        "ratios_between_0_and_1",
        "1 row: contract_win_rate own A1 month 2026-01-01: 1.01",
        [f"update marts.kpi_values set value = 1.01 where kpi = 'contract_win_rate' and {OWN_JANUARY}"],
    ),
    (
        "ratios_between_0_and_1",
        "1 row: client_retention_rate own A1 month 2026-01-01: -0.01",
        [f"update marts.kpi_values set value = -0.01 where kpi = 'client_retention_rate' and {OWN_JANUARY}"],
    ),
    (
        "collaboration_between_0_and_100",
        "1 row: internal_collaboration_score own A1 month 2026-01-01: 100.5",
        [f"update marts.kpi_values set value = 100.5 where kpi = 'internal_collaboration_score' and {OWN_JANUARY}"],
    ),
    (
        "periods_span_their_grain",
        "1 period: month 2026-01-01 to 2026-02-01",
        [f"update marts.kpi_values set period_end = date '2026-02-01' where {OWN_JANUARY}"],
    ),
    (
        "periods_span_their_grain",
        "1 period: fortnight 2026-01-01 to 2026-01-31",
        [
            "update marts.kpi_values set period_grain = 'fortnight'"
            " where scope = 'team' and period_grain = 'month' and period_start = date '2026-01-01'"
        ],
    ),
    (
        "scores_between_0_and_the_cap",
        None,
        [f"update marts.scorecards set weighted_score = 120.001 where {OWN_JANUARY}"],
    ),
    (
        "scores_between_0_and_the_cap",
        None,
        [f"update marts.scorecards set weighted_score = -0.1 where {OWN_JANUARY}"],
    ),
    (
        "scores_between_0_and_the_cap",
        None,
        [f"update marts.scorecards set weighted_score = 'nan' where {OWN_JANUARY}"],
    ),
    (
        "ratings_are_of_the_bands",
        "E",
        [f"update marts.scorecards set rating = 'E' where {OWN_JANUARY}"],
    ),
    (
        "every_row_read_is_loaded_or_quarantined",
        "1 file: clients/clients.csv as clients read 2, loaded 1, quarantined 0",
        ["update marts.load_ledger set rows_loaded = 1 where extract = 'clients'"],
    ),
    (
        "every_row_read_is_loaded_or_quarantined",
        "1 file: clients/clients.csv as clients read 2, loaded 3, quarantined -1",
        ["update marts.load_ledger set rows_loaded = 3, rows_quarantined = -1 where extract = 'clients'"],
    ),
    (
        "every_row_read_is_loaded_or_quarantined",
        None,
        ["update marts.load_ledger set status = 'duplicate' where extract = 'clients'"],
    ),
]


@pytest.mark.parametrize(("expectation", "observed", "statements"), BROKEN_INVARIANTS)
def test_a_broken_invariant_blocks_and_nothing_else_is_reported(
    broken: Break, settings: Settings, expectation: str, observed: str | None, statements: list[str]
) -> None:
    findings = audit(broken(*statements), settings)
    assert failed(findings) == blocking(findings) == {expectation}
    assert findings[expectation].unexpected_count > 0
    assert (observed or "") in findings[expectation].observed


def test_a_record_of_revenue_that_is_gone_is_missed_twice(broken: Break, settings: Settings) -> None:
    findings = audit(broken("delete from kpis.kpi_client_revenue where source_id = 'K3' and numerator < 0"), settings)
    assert (
        failed(findings) == blocking(findings) == {"revenue_is_what_the_records_say", "evidence_adds_up_to_the_values"}
    )


@pytest.mark.parametrize(
    ("expectation", "observed", "statements"),
    [
        (
            "hardly_any_rows_are_quarantined",
            "1 extract: staff 20.0 % (1 of 5 rows)",
            [A_QUARANTINED_ROW.format("staff")],
        ),
        (
            "no_file_was_rejected_in_the_last_run",
            "1 file: contracts/broken.csv",
            [A_REJECTED_FILE.format("")],
        ),
        (
            "every_family_was_delivered",
            "1 family: survey",
            ["update raw.ledger set status = 'duplicate' where extract in ('client_surveys', 'peer_reviews')"],
        ),
        (
            "every_extract_of_a_delivered_family_was_delivered",
            "1 extract: fx_rates",
            ["update raw.ledger set status = 'duplicate' where extract = 'fx_rates'"],
        ),
        (
            "no_clock_is_ahead",
            "1 file: contracts/contracts.csv as contracts (2 rows)",
            ["update parsed.contracts set _from_future = true where contract_id in ('K1', 'K2')"],
        ),
    ],
)
def test_a_warning_is_reported_and_does_not_block(
    broken: Break, settings: Settings, expectation: str, observed: str, statements: list[str]
) -> None:
    findings = audit(broken(*statements), settings)
    assert failed(findings) == {expectation}
    assert blocking(findings) == set()
    assert findings[expectation].observed == observed


def test_an_extract_with_too_many_rows_held_back_blocks(broken: Break, settings: Settings) -> None:
    findings = audit(broken(A_QUARANTINED_ROW.format("contracts")), settings)
    assert blocking(findings) == {"few_enough_rows_are_quarantined"}
    assert findings["few_enough_rows_are_quarantined"].observed == "1 extract: contracts 33.3 % (1 of 3 rows)"


def test_how_many_rows_may_be_held_back_is_a_setting(broken: Break, settings: Settings) -> None:
    warehouse = broken(A_QUARANTINED_ROW.format("contracts"))
    patient = changed(settings, max_quarantined_share=0.34, warn_quarantined_share=0.34)
    assert failed(audit(warehouse, patient)) == set()


def test_the_share_that_may_be_held_back_is_itself_allowed_and_the_one_that_warns_warns(
    broken: Break, settings: Settings
) -> None:
    # One of five rows: exactly 0.2.
    warehouse = broken(A_QUARANTINED_ROW.format("staff"))
    strict = changed(settings, max_quarantined_share=0.2, warn_quarantined_share=0.2)
    assert failed(audit(warehouse, strict)) == {"hardly_any_rows_are_quarantined"}


def test_a_file_rejected_in_an_earlier_run_is_no_longer_reported(broken: Break, settings: Settings) -> None:
    assert failed(audit(broken(A_REJECTED_FILE.format(""), A_LOADED_FILE), settings)) == set()


def test_revenue_may_differ_by_what_adding_doubles_costs(broken: Break, settings: Settings) -> None:
    warehouse = broken(
        f"update marts.kpi_values set value = value * (1 + 1e-10) where kpi = 'client_revenue' and {COMPANY_JANUARY}"
    )
    assert failed(audit(warehouse, settings)) == set()


def test_offenders_are_asked_for_where_there_is_a_doubt_alone(sound: Path, settings: Settings) -> None:
    def finding(doubt: str, offenders: str) -> Finding:
        rule = NoRows(offenders, one="thing", many="things", doubt=doubt)
        suite = Suite("own", (Expected("is_well", "marts.kpi_values", rule, "blocking", "mend it"),))
        return audit_suites(sound, settings, [suite], lambda line: None)[0]

    nothing, something = "select 'x' as what from {batch} where false", "select 'x' as what"
    fails_when_asked = "select error('asked') as what from {batch}"
    assert finding(nothing, fails_when_asked).success
    assert "asked" in finding(something, fails_when_asked).observed
    assert finding(something, nothing).success
    assert finding(something, "select 'y' as what").observed == "1 thing: y"
    # A doubt that cannot be asked is one.
    assert finding(fails_when_asked, nothing).success
    assert finding(fails_when_asked, something).blocks


def test_a_score_may_exceed_the_cap_by_what_adding_doubles_costs(broken: Break, settings: Settings) -> None:
    warehouse = broken(f"update marts.scorecards set weighted_score = 120.00000000000001 where {OWN_JANUARY}")
    assert failed(audit(warehouse, settings)) == set()


def test_cap_and_bands_are_the_settings_own(sound: Path, settings: Settings) -> None:
    bands = [band for band in settings.kpi.rating_bands if band.rating != "D"]
    other = changed(settings, attainment_cap=0.1, rating_bands=bands)
    findings = audit(sound, other)
    assert blocking(findings) == {"scores_between_0_and_the_cap", "ratings_are_of_the_bands"}


def test_an_agency_of_which_nothing_was_delivered_is_only_warned(broken: Break, settings: Settings) -> None:
    with duckdb.connect(str(warehouse := broken())) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'audit'"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"delete from {table}")
    assert blocking(findings := audit(warehouse, settings)) == set()
    assert failed(findings) == {"every_family_was_delivered"}
    assert findings["every_family_was_delivered"].unexpected_count == len(FAMILIES)


def test_a_finding_names_a_few_offenders_and_counts_all(broken: Break, settings: Settings) -> None:
    finding = audit(broken("update marts.kpi_values set null_reason = 'nothing_due'"), settings)[
        "null_exactly_with_a_reason"
    ]
    assert finding.unexpected_count > runner.KEPT
    assert len(finding.rows) == runner.KEPT
    assert finding.observed.startswith(f"{finding.unexpected_count} rows: ")
    assert finding.observed.count(";") == runner.SHOWN
    assert finding.observed.endswith("; …")


def test_a_value_out_of_bounds_is_told_with_the_keys_of_its_row(broken: Break, settings: Settings) -> None:
    finding = audit(broken(f"update marts.scorecards set rating = 'E' where {OWN_JANUARY}"), settings)[
        "ratings_are_of_the_bands"
    ]
    assert finding.rows == ("own A1 month 2026-01-01 E",)


def test_how_far_a_collaboration_score_moved_is_not_told(broken: Break, settings: Settings, tmp_path: Path) -> None:
    # Its old mean, its new mean and the number of raters would give away what the last rater said.
    warehouse = broken()
    before = tmp_path / "it's before.duckdb"
    january = OWN_JANUARY.replace("staff_id", "person_key")
    with duckdb.connect(str(before)) as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute("create schema marts")
        connection.execute("create schema intermediate")
        connection.execute(f"create table marts.publication as select date '{AS_OF}' as as_of")
        for table in ("int_scope_members", "int_kpi_catalogue", "int_period_months", "int_kpi_values"):
            connection.execute(f"create table intermediate.{table} as from warehouse.intermediate.{table}")
        connection.execute(
            "update intermediate.int_kpi_values set value = value - 1 where (subject_id, period_id) in"
            f" (select subject_id, period_id from intermediate.int_scope_members where {january}) and kpi_number in"
            " (select kpi_number from intermediate.int_kpi_catalogue where kpi in"
            " ('client_revenue', 'internal_collaboration_score'))"
        )
    finding = audit(warehouse, settings, Occasion(AS_OF, LOADED_AT, published=before))["closed_periods_stand_still"]
    assert finding.rows == (
        "client_revenue own A1 month 2026-01-01, 127499999.0 → 127500000.0",
        "internal_collaboration_score own A1 month 2026-01-01",
    )


def test_an_expectation_on_a_missing_table_blocks(broken: Break, settings: Settings) -> None:
    findings = audit(broken("drop table marts.scorecards"), settings)
    assert blocking(findings) == failed(findings) == {"scores_between_0_and_the_cap", "ratings_are_of_the_bands"}
    for name in blocking(findings):
        assert findings[name].observed.startswith("could not run: ")
        assert "scorecards" in findings[name].observed
        assert "\n" not in findings[name].observed


def test_an_expectation_whose_query_needs_a_missing_table_blocks(broken: Break, settings: Settings) -> None:
    findings = audit(broken("drop table kpis.kpi_client_revenue"), settings)
    # Those of the records too, which are a view of the KPIs' tables.
    assert blocking(findings) == {
        "revenue_is_what_the_records_say",
        "evidence_adds_up_to_the_values",
        "owners_are_account_staff",
        "records_are_of_this_age",
    }
    assert all(findings[name].observed.startswith("could not run: ") for name in blocking(findings))


def test_a_missing_column_blocks(broken: Break, settings: Settings) -> None:
    findings = audit(broken("alter table marts.scorecards drop column rating"), settings)
    assert blocking(findings) == {"ratings_are_of_the_bands"}
    assert findings["ratings_are_of_the_bands"].observed.startswith("could not run: ")


def test_a_warning_that_cannot_run_blocks_too(broken: Break, settings: Settings) -> None:
    # What counts is a view over what was typed: whatever reads either cannot be judged.
    assert blocking(audit(broken("drop table parsed.clients"), settings)) == {
        "no_clock_is_ahead",
        "no_two_clients_share_a_name",
    }


def a_suite(*rules: NoRows | Builtin) -> Suite:
    expected = (
        Expected(f"rule_{number}", "marts.scorecards", rule, "warning", "mend it", "rating")
        for number, rule in enumerate(rules)
    )
    return Suite("marts", tuple(expected))


@pytest.mark.parametrize(
    "rule",
    [
        NoRows("selekt nothing {batch}", "row", "rows"),
        NoRows("select cast('x' as integer) as what from {batch}", "row", "rows"),
        NoRows("select 1 as what from {table}", "row", "rows"),
        Builtin("ExpectColumnValuesToBeKind"),
        Builtin("ExpectColumnValuesToBeInSet", {"value_set": 3}),
        Builtin("ExpectColumnValuesToBeBetween", {"min_value": 2, "max_value": 1}),
    ],
)
def test_an_expectation_that_is_wrongly_declared_blocks(
    sound: Path, settings: Settings, rule: NoRows | Builtin
) -> None:
    (finding,) = audit_suites(sound, settings, [a_suite(rule)], lambda line: None)
    assert finding.blocks
    assert finding.observed.startswith("could not run: ")


def test_a_query_that_fails_leaves_the_others_of_its_table_alone(sound: Path, settings: Settings) -> None:
    suite = a_suite(
        NoRows("select nothing as what from {batch}", "row", "rows"),
        NoRows("select rating as what from {batch} where false", "row", "rows"),
    )
    findings = audit_suites(sound, settings, [suite], lambda line: None)
    assert [finding.success for finding in findings] == [False, True]


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
    honest = runner._results
    monkeypatch.setattr(runner, "_results", lambda *arguments: change(honest(*arguments)))
    fine = NoRows("select rating as what from {batch} where false", "row", "rows")
    findings = audit_suites(sound, settings, [a_suite(fine, fine)], lambda line: None)
    miscounted = [finding for finding in findings if finding.expectation == "every_expectation_is_judged"]
    assert [finding.observed for finding in miscounted] == [observed]
    assert miscounted[0].blocks
    assert any(finding.blocks for finding in findings if finding.expectation.startswith("rule_"))


def test_without_great_expectations_everything_blocks(
    sound: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    findings = audit(sound, settings)
    assert blocking(findings) == set(findings)


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
    # Also after one that met errors: an exception must not keep a connection.
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


def test_progress_gets_a_line_a_table_and_nothing_is_printed(
    sound: Path, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    audit_warehouse(sound, settings, OCCASION, lines.append)
    assert lines[0] == "raw: validation.quarantine, 2 expectations"
    assert len(lines) == sum(len(suite.by_table()) for suite in all_suites(settings, OCCASION))
    assert capfd.readouterr() == ("", "")


def test_a_process_that_audited_ends_in_silence(sound: Path) -> None:
    code = (
        "import sys; from datetime import UTC, date, datetime; from pathlib import Path;"
        "from amkpi.core.home import Home;"
        "from amkpi.core.settings import load_settings; from amkpi.expectations.runner import audit_warehouse;"
        "from amkpi.expectations.context import Occasion; path = Path(sys.argv[1]);"
        "occasion = Occasion(date(2026, 3, 20), datetime(2026, 3, 20, 14, tzinfo=UTC));"
        "audit_warehouse(path, load_settings(Home.at(path.parent), {}), occasion, lambda line: None)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(sound)], check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("", "")
