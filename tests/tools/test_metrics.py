"""The metrics of the semantic layer give the values of the marts. MetricFlow writes their SQL, and runs it on the file.

MetricFlow is no part of the project: it is put into an environment of its own, from the package registry.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.home import Home
from amkpi.transform import manifest_cache
from tools.docs import metrics
from tools.docs.write import DOCS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("analysts")]

GRAINS = ("month", "quarter", "year")
NAMES = [kpi.name for kpi in metrics.with_metrics()]
OF_AMOUNTS = {kpi.name for kpi in metrics.with_metrics() if kpi.is_of_amounts}
# Reads questions: id -> metric, what to group by, filters. Writes the SQL of each.
COMPILE = """
import json, sys
from types import SimpleNamespace
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

client = SimpleNamespace(sql_engine_type=SqlEngine.DUCKDB, sql_plan_renderer=DuckDbSqlPlanRenderer())
manifest = parse_manifest_from_dbt_generated_manifest(open(sys.argv[1]).read())
engine = MetricFlowEngine(SemanticManifestLookup(manifest), client)
print(json.dumps({name: engine.explain(MetricFlowQueryRequest.create(
    metric_names=[metric], group_by_names=group_by, where_constraints=where or None,
)).sql_statement.sql for name, (metric, group_by, where) in json.load(sys.stdin).items()}))
"""
Value = tuple[str, str, str | None, str, Any]


def semantic_manifest(home: Path, folder: Path) -> Path:
    """What dbt makes of the ymls, as the file that MetricFlow reads. dbt-semantic-interfaces finds nothing wrong."""
    from dbt.contracts.graph.semantic_manifest import SemanticManifest

    parsed = manifest_cache.load(Home.at(home))
    assert parsed is not None
    manifest = SemanticManifest(parsed)
    assert manifest.validate()
    manifest.write_json_to_file(str(folder / "semantic_manifest.json"))
    return folder / "semantic_manifest.json"


def compiled(folder: Path, manifest: Path, questions: dict[str, Any]) -> dict[str, str]:
    """The SQL that MetricFlow writes for each question. Skips the test where it cannot be installed."""
    uv, python = Path(sys.executable).with_name("uv"), folder / "venv" / "bin" / "python"
    for command in (
        [uv, "venv", "-q", "--python", sys.executable, folder / "venv"],
        [uv, "pip", "install", "-q", "--no-build", "--python", python, "metricflow==0.213.0"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"MetricFlow cannot be installed here: {done.stderr.strip()[-300:]}")
    result = subprocess.run(
        [python, "-W", "ignore", "-c", COMPILE, manifest],
        input=json.dumps(questions), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found: dict[str, str] = json.loads(result.stdout.splitlines()[-1])
    return found


def questions_of(leaders: list[str]) -> dict[str, Any]:
    """For each metric and grain: the company, each person, and each team by a filter on who was over the person."""
    asked: dict[str, Any] = {}
    for metric in NAMES:
        for grain in GRAINS:
            by = [f"metric_time__{grain}"]
            asked[f"{metric} company {grain} "] = (metric, by, [])
            asked[f"{metric} own {grain} "] = (metric, [*by, "record__staff_id"], [])
            for leader in leaders:
                of_team = (
                    f"{{{{ Dimension('record__staff_id') }}}} = '{leader}'"
                    f" or list_contains({{{{ Dimension('record__team_path') }}}}, '{leader}')"
                )
                asked[f"{metric} team {grain} {leader}"] = (metric, by, [of_team])
    return asked


def test_every_metric_is_equal_to_the_marts_for_the_company_each_person_and_each_team(
    published_home: Path, tmp_path: Path
) -> None:
    manifest = semantic_manifest(published_home, tmp_path)
    found: dict[Value, Any] = {}
    with duckdb.connect() as connection:
        file = (published_home / "published" / "current.duckdb").resolve()
        # The name by which the manifest knows the database.
        connection.execute(f"attach '{file}' as warehouse (read_only)")
        rows = connection.execute(
            "select kpi, scope, staff_id, period_grain, period_start, value from warehouse.marts.kpi_values"
        ).fetchall()
        leaders = sorted({row[2] for row in rows if row[1] == "team"})
        for question, sql in compiled(tmp_path, manifest, questions_of(leaders)).items():
            metric, scope, grain, leader = question.split(" ")
            for day, *person, value in connection.execute(sql).fetchall():
                who = person[0] if person else leader or None
                if scope != "own" or who is not None:
                    found[metric, scope, who, grain, day.date()] = value
    expected = {row[:5]: row[5] for row in rows if row[0] in NAMES and row[3] in GRAINS}
    assert len(leaders) > 2
    assert found.keys() <= expected.keys()
    # A metric has no row where there is no record.
    assert {(key[0] == "client_revenue", expected[key]) for key in expected.keys() - found.keys()} == {
        (True, 0.0), (False, None),
    }  # fmt: skip
    # Counts are equal to the last bit. The records of the published file have money as doubles, the sums of the marts
    # are of exact decimals.
    of_counts = {key: value for key, value in found.items() if key[0] not in OF_AMOUNTS}
    assert len(of_counts) > 500
    assert {key: value for key, value in of_counts.items() if value != expected[key]} == {}
    for key, value in found.items():
        assert float(value or 0) == pytest.approx(expected[key] or 0, rel=1e-12), key


def test_the_json_has_the_definitions_of_the_yml_and_says_what_is_no_metric() -> None:
    definitions = json.loads((DOCS / "metrics.json").read_text(encoding="utf-8"))
    assert len(NAMES) == 5
    of_kpis = {metric["name"]: metric for metric in definitions["metrics"] if "kpi" in metric}
    assert list(of_kpis) == NAMES
    assert of_kpis["on_time_delivery_rate"]["kpi"]["label"]["vi"] == "Tỷ lệ giao đúng hạn"
    for metric in definitions["metrics"]:
        metric.pop("kpi", None)
    assert definitions.pop("served_from_the_marts")
    assert definitions == metrics.definitions()
