"""The dbt models: their unit tests pass, and each is described, keeps its layer and reads no clock."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from amkpi.core.catalogue import YAML_LOADER, kpis
from amkpi.core.paths import DBT_PROJECT
from amkpi.ingestion.contracts.extracts import EXTRACTS, KPIS
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.transform.dbt_runner import create_audit_tables, run_dbt
from amkpi.transform.dbt_variables import dbt_variables
from tests.conftest import AS_OF, Agency

MODELS = DBT_PROJECT / "models"
# Its rows are read from dbt's graph, which a unit test does not have; the catalogue has a test of its own below.
WITHOUT_UNIT_TESTS = {"int_kpi_catalogue", "int_measure_catalogue"}
# The folders of models in the order in which a build makes them, with the prefix of their models.
PREFIXES = {
    "staging": "stg_",
    "intermediate": "int_",
    "kpis": "kpi_",
    "records": "int_",
    "changes": "int_",
    "rollup": "int_",
    "measures": "int_",
    "scoring": "int_",
    "marts": "",
}

# Of tables that the pipeline makes, not dbt.
SOURCE_SCHEMAS = {"raw", "parsed", "valid", "validation", "closing", "audit"}

# From the page `3-marts` of the specification, and what was published since: these first, in this order.
PUBLIC_COLUMNS = {
    "kpi_values": "kpi, scope, staff_id, period_grain, period_start, period_end, value, numerator, denominator,"
    " sample_size, unit, is_provisional, null_reason",
    "kpi_evidence": "kpi, staff_id, client_id, event_date, period_grain, period_start, source_extract, source_id,"
    " numerator, denominator, record_name, client_name, state, due_date, done_date, days_late, amount, team_path,"
    " file_name, line_number, kind",
    "scorecards": "scope, staff_id, period_grain, period_start, period_end, weighted_score, rating, weight_covered,"
    " kpis_scored, is_provisional",
    "scorecard_lines": "scope, staff_id, period_grain, period_start, kpi, value, target, attainment, weight,"
    " previous_value, change, status",
    "supporting_measures": "measure, scope, staff_id, period_grain, period_start, period_end, value, numerator,"
    " denominator, unit",
    "dim_staff": "staff_id, full_name, role, manager_id",
    "dim_client": "client_id, client_name, manager_id",
    "load_ledger": "file_name, extract, sha256, status, reason, rows_read, rows_loaded, rows_quarantined, loaded_at",
    "quarantined_rows": "extract, file_name, line_number, reason, column_name, raw_row, first_seen_at, keeps_older_row",
    "quality_results": "suite, expectation, table_name, column_name, success, severity, observed, unexpected_count",
    "publication": "publication_id, as_of, published_at, pipeline_version, reporting_currency",
    "client_overview": "client_id, client_name, manager_id, industry, is_active, contract_end, renewal_due,"
    " running_contracts, running_amount, revenue_12m, last_survey_date, last_survey_satisfaction, open_proposals,"
    " open_proposals_amount, open_projects, projects_overdue, open_projects_over_budget, projects_due_12m,"
    " projects_late_12m",
    "project_overview": "project_id, project_name, client_id, client_name, staff_id, state, start_date,"
    " committed_due_date, due_date, done_date, days_late, budget, cost, over_budget, contract_id, file_name,"
    " line_number",
    "contract_overview": "contract_id, client_id, client_name, staff_id, kind, state, signed_date, start_date,"
    " end_date, cancelled_date, renewal_due, amount, file_name, line_number",
    "proposal_overview": "proposal_id, client_id, client_name, staff_id, kind, state, sent_date, decided_date, amount,"
    " file_name, line_number",
    "survey_overview": "response_id, client_id, client_name, project_id, project_name, staff_id, state, sent_date,"
    " responded_date, score, scale_min, scale_max, satisfaction, file_name, line_number",
    "dim_kpi": "number, kpi, label_vi, label_en, question_vi, question_en, unit, better, formula_vi, formula_en,"
    " sample_vi, sample_en, numerator_vi, numerator_en, denominator_vi, denominator_en, event_date_vi,"
    " event_date_en, aggregation, timing, credit_rule, source_extract, is_private, owner_vi, owner_en",
    "dim_period": "period_grain, period_start, period_end, period, days, is_provisional",
    "dim_date": "day, month_start, quarter_start, year_start, iso_year, iso_week, weekday, is_weekend, is_past",
    # From the page `4-closing`.
    "closings": "n, period_grain, period_start, period_end, closed_at, closed_by, note, publication_id, as_of, sha256,"
    " reopened_at, reopened_by, reopen_note",
    "adjustments": "kpi, scope, staff_id, period_grain, period_start, numerator, denominator, sample_size, fresh_value,"
    " cause, carried_to, first_seen_at",
    "adjustment_evidence": "side, carried_to, kpi, staff_id, client_id, event_date, period_grain, period_start,"
    " source_extract, source_id, numerator, denominator",
    "adjusted_scores": "scope, staff_id, period_grain, period_start, closed_score, closed_rating, fresh_score,"
    " fresh_rating, cause",
}

CLOCK = re.compile(
    r"\b(?:now|today|getdate|sysdate|get_current_timestamp)\s*\("
    r"|\b(?:current_date|current_time|current_timestamp|localtime|localtimestamp|run_started_at)\b"
    r"|\bmodules\.datetime\b",
    re.I,
)
# dbt's cross-database macros do not carry these, and the engines differ in them.
DUCKDB_ONLY = re.compile(r"\bqualify\b|\bfilter\s*\(|\basof\b|\b(?:group|order)\s+by\s+all\b", re.I)
# What engines have and do not agree on: NULL among the values, and the places of a decimal. macros/engine.sql has it.
OF_THE_ENGINE = re.compile(r"\b(?:greatest|least)\s*\(|\b(?:decimal|numeric)\b", re.I)


@cache
def sql_files() -> dict[str, Path]:
    """The models' files by name; there are some."""
    files = {path.stem: path for path in sorted(MODELS.rglob("*.sql"))}
    assert len(files) > 40
    return files


@cache
def declared(path: Path) -> dict[str, Any]:
    """What a yml says."""
    content: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=YAML_LOADER)
    return content


@cache
def unit_tests() -> tuple[tuple[str, str], ...]:
    """(model, name) of every unit test that the ymls declare."""
    ymls = [declared(path) for path in sorted(MODELS.rglob("*.yml"))]
    return tuple((test["model"], test["name"]) for yml in ymls for test in yml.get("unit_tests", []))


def code(path: Path) -> str:
    """A model's or macro's text without its comments."""
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"--[^\n]*", "", text)


def code_files() -> list[Path]:
    macros = sorted((DBT_PROJECT / "macros").rglob("*.sql"))
    tests = sorted((DBT_PROJECT / "tests").rglob("*.sql"))
    assert macros
    assert tests
    return [*sql_files().values(), *macros, *tests]


def layer(path: Path) -> str:
    """The folder of `models` in which a model lies."""
    return path.relative_to(MODELS).parts[0]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    """Every model, built of sources without rows."""
    agency = Agency.at(tmp_path_factory.mktemp("built") / "home")
    with agency.warehouse() as connection:
        create_tables(connection)
        create_audit_tables(connection)
        check_rows(connection, agency.run.settings.kpi.reporting_currency)
    run_dbt(agency.home, agency.run.settings, AS_OF, ["run"], lambda line: None)
    return agency


# 20 s CPU for 140 unit tests (0.14 s each), 14 s for dbt's import and the empty relations that lend them their types.
@pytest.mark.slow
def test_every_unit_test_of_the_models_passes(built: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    home, settings = built.home, built.run.settings
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    monkeypatch.setenv("AMKPI_WAREHOUSE", str(home.warehouse))
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    result = dbtRunner().invoke(
        [
            "test", "--select", "test_type:unit",
            "--quiet", "--no-use-colors", "--log-level", "none", "--log-level-file", "none",
            "--log-path", str(home.dbt_target),
            "--target-path", str(home.dbt_target),
            "--project-dir", str(DBT_PROJECT),
            "--profiles-dir", str(DBT_PROJECT),
            # The same as of the run: else dbt parses the project anew.
            "--vars", json.dumps(dbt_variables(settings, AS_OF)),
        ]
    )  # fmt: skip
    DuckDBConnectionManager.close_all_connections()
    assert result.exception is None, result.exception

    outcomes = {node.node.name: node for node in result.result}
    failed = [f"{name}: {node.message}" for name, node in outcomes.items() if node.status != "pass"]
    assert not failed, "\n".join(failed)
    assert len(outcomes) > 60
    assert set(outcomes) == {name for _, name in unit_tests()}


@pytest.mark.slow
def test_every_kpi_and_every_step_towards_it_has_unit_tests() -> None:
    tested = {model for model, _ in unit_tests()}
    steps = {name for name, path in sql_files().items() if PREFIXES[layer(path)] in {"kpi_", "int_"}}
    assert len(steps) > 30
    assert steps - tested == WITHOUT_UNIT_TESTS


def test_the_name_of_a_unit_test_is_a_sentence_said_once() -> None:
    names = [name for _, name in unit_tests()]
    assert len(names) > 60
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+){2,}", name), name


def test_every_model_has_a_description_in_the_yml_beside_it() -> None:
    for name, path in sql_files().items():
        models = declared(path.with_suffix(".yml")).get("models", [])
        assert [model["name"] for model in models] == [name]
        assert len(models[0].get("description", "")) > 20, name


@cache
def sources() -> dict[tuple[str, str], dict[str, Any]]:
    """Every source table: (schema, table) -> what its yml declares."""
    ymls = [declared(path) for path in sorted(MODELS.rglob("*.yml"))]
    found = [(source, table) for yml in ymls for source in yml.get("sources", []) for table in source["tables"]]
    return {(source["name"], table["name"]): table for source, table in found}


def models() -> dict[str, dict[str, Any]]:
    """What the yml of every model declares."""
    return {name: declared(path.with_suffix(".yml"))["models"][0] for name, path in sql_files().items()}


def test_every_column_and_every_source_is_described() -> None:
    tables = models() | {".".join(name): table for name, table in sources().items()}
    lacking = [name for name, table in tables.items() if len(table.get("description", "")) < 20]
    lacking += [
        f"{name}.{column['name']}"
        for name, table in tables.items()
        for column in table["columns"]
        if len(column.get("description", "")) < 5
    ]
    assert lacking == []


@pytest.mark.slow
def test_every_model_and_source_has_exactly_the_columns_that_are_described(built: Agency) -> None:
    of_table = "select schema_name, table_name, list(column_name) from duckdb_columns() where not internal group by all"
    in_warehouse = {(schema, name): set(columns) for schema, name, columns in built.rows(of_table)}
    by_name = {name: columns for (schema, name), columns in in_warehouse.items() if schema not in SOURCE_SCHEMAS}
    described = {name: {column["name"] for column in table["columns"]} for name, table in models().items()}
    assert described == by_name
    for name, table in sources().items():
        assert {column["name"] for column in table["columns"]} == in_warehouse[name], name


def test_the_columns_of_a_kpi_are_all_declared_and_its_keys_are_tested() -> None:
    """The contracts of the marts and the generated ymls of staging say the same of those."""
    of_record = "source_extract, source_id, client_id, staff_id, event_date, numerator, denominator, sample_size"
    records, shown = of_record.split(", "), ["state", "amount", "due_date", "done_date"]
    for kpi in kpis():
        if not kpi.has_records:
            continue
        (model,) = declared(sql_files()[f"kpi_{kpi.name}"].with_suffix(".yml"))["models"]
        expected = [*records, "undecided"] if kpi.timing == "event" else ["period_grain", "period_start", *records]
        assert [column["name"] for column in model["columns"]] == [*expected, *shown], kpi.name
        tests = {column["name"]: column.get("data_tests", []) for column in model["columns"]}
        assert "unique" in tests["source_id"] or "unique_combination" in model["data_tests"][0], kpi.name
        for column in ("source_extract", "source_id", "event_date", "numerator", "sample_size", "state"):
            assert "not_null" in tests[column], f"{kpi.name}.{column}"
        (accepted,) = [test["accepted_values"] for test in tests["state"] if test != "not_null"]
        assert accepted["arguments"]["values"] == list(kpi.states), kpi.name


def test_no_yml_describes_a_model_that_is_gone() -> None:
    ymls = {path.stem for path in MODELS.rglob("*.yml") if not path.stem.startswith("sources")}
    assert ymls == set(sql_files())


def test_a_model_lies_in_the_folder_of_its_layer_and_bears_its_prefix() -> None:
    assert {layer(path) for path in sql_files().values()} == set(PREFIXES)
    for name, path in sql_files().items():
        assert name.startswith(PREFIXES[layer(path)]), path
        if layer(path) == "marts":
            # kpi_values and kpi_evidence bear the names that the specification gives them.
            assert not name.startswith(("stg_", "int_")), path


def test_a_folder_holds_at_most_twelve_models() -> None:
    for folder, paths in groupby(sorted(sql_files().values()), key=lambda path: path.parent):
        assert len(list(paths)) <= 12, folder


def test_a_layer_reads_only_those_before_it() -> None:
    order = list(PREFIXES)
    for path in sql_files().values():
        text = code(path)
        read = {layer(sql_files()[name]) for name in re.findall(r"\bref\('(\w+)'\)", text)}
        later = {other for other in read if order.index(other) > order.index(layer(path))}
        assert not later, path
        if layer(path) == "staging":
            assert re.findall(r"source\('(\w+)', '(\w+)'\)", text) == [("valid", path.stem.removeprefix("stg_"))], path
        elif path.stem == "int_changed_sources":
            # What the last build left for this one: no layer holds it.
            assert re.findall(r"source\('(\w+)', '(\w+)'\)", text) == [("audit", "previous_fingerprints")]
        elif path.stem == "int_comparable_scores":
            # What was closed is an input as well: the private KPI counts as it was closed.
            assert {schema for schema, _ in re.findall(r"source\('(\w+)', '(\w+)'\)", text)} == {"closing"}
        elif path.stem == "int_source_rows":
            # In which file and line a row came: the staging models have the columns of the extracts alone.
            assert {schema for schema, _ in re.findall(r"source\('(\w+)', '?(\w+)'?\)", text)} == {"valid", "raw"}
        elif layer(path) != "marts":
            assert "source(" not in text, path


def test_the_folders_that_the_project_names_exist() -> None:
    project = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    for kind in ("model-paths", "macro-paths", "test-paths"):
        for folder in project[kind]:
            # The metrics are ymls alone.
            assert any((DBT_PROJECT / folder).rglob("*.yml" if folder == "semantic" else "*.sql")), folder
    folders = {name for name in project["models"]["amkpi"] if not name.startswith("+")}
    assert folders == set(PREFIXES)


@pytest.mark.parametrize(
    "text", ["select now()", "current_date - 1", "CURRENT_TIMESTAMP", "{{ run_started_at }}", "today ()"]
)
def test_a_clock_is_recognised(text: str) -> None:
    assert CLOCK.search(text)


def test_no_model_reads_a_clock() -> None:
    for path in code_files():
        assert not CLOCK.search(code(path)), f"{path.name}: use var('as_of')"


@pytest.mark.parametrize(
    "text", ["qualify row_number() = 1", "sum(x) filter (where y)", "asof join", "group by all", "GROUP  BY ALL"]
)
def test_what_only_one_engine_has_is_recognised(text: str) -> None:
    assert DUCKDB_ONLY.search(text)


def test_no_model_uses_what_a_second_engine_does_not_have() -> None:
    for path in code_files():
        assert not DUCKDB_ONLY.search(code(path)), path.name


@pytest.mark.parametrize("text", ["greatest(a, 0)", "LEAST (a, b)", "cast(a as decimal(38, 12))", "a::numeric"])
def test_what_engines_do_not_agree_on_is_recognised(text: str) -> None:
    assert OF_THE_ENGINE.search(text)


def test_what_engines_do_not_agree_on_is_in_the_macros_of_the_engines_alone() -> None:
    macros = {path.name for path in code_files() if OF_THE_ENGINE.search(code(path))}
    assert macros == {"engine.sql", "engine_spark.sql"}


@pytest.mark.parametrize("extract", EXTRACTS)
def test_a_staging_model_has_the_columns_of_its_extract(extract: str) -> None:
    text = code(sql_files()[f"stg_{extract}"])
    selected = re.fullmatch(r"\s*select\s(.*?)\sfrom\s.*", text, re.S)
    assert selected, f"stg_{extract} is more than a selection of columns"
    columns = [column.strip() for column in selected[1].split(",")]
    assert columns == [column.name for column in EXTRACTS[extract].columns]


def test_there_is_a_staging_model_for_each_extract_and_no_other() -> None:
    assert {name for name in sql_files() if name.startswith("stg_")} == {f"stg_{extract}" for extract in EXTRACTS}


def test_the_catalogue_has_each_kpi_model_and_no_other() -> None:
    models = {name for name, path in sql_files().items() if layer(path) == "kpis"}
    assert models == {f"kpi_{kpi.name}" for kpi in kpis()}
    assert tuple(kpi.name for kpi in kpis()) == KPIS


def test_each_kpi_names_the_extract_that_its_records_come_from() -> None:
    for kpi in kpis():
        named = re.findall(r"'(\w+)' as source_extract", code(sql_files()[f"kpi_{kpi.name}"]))
        assert named == [kpi.source_extract], kpi.name


def test_every_mart_of_the_specification_begins_with_its_public_columns() -> None:
    marts = {path.stem for path in sql_files().values() if layer(path) == "marts"}
    assert marts >= set(PUBLIC_COLUMNS)
    for mart, columns in PUBLIC_COLUMNS.items():
        (model,) = declared(sql_files()[mart].with_suffix(".yml"))["models"]
        public = columns.split(", ")
        assert [column["name"] for column in model["columns"]][: len(public)] == public, mart
        assert all(column.get("data_type") for column in model["columns"]), mart


def test_the_contracts_of_the_marts_are_enforced() -> None:
    project = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["models"]["amkpi"]["marts"]["+contract"] == {"enforced": True}
