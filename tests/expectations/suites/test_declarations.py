"""The declarations themselves; no warehouse and no Great Expectations are needed to read them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path

import pytest

from amkpi.core.home import Home
from amkpi.core.settings import Settings, load_settings
from amkpi.expectations.context import Occasion
from amkpi.expectations.declaration import Expected, NoRows, Suite
from amkpi.expectations.runner import all_suites
from amkpi.expectations.suites.marts import COLLABORATION, COST_RATIO, RATIOS, REVENUE
from amkpi.ingestion.contracts.extracts import EXTRACTS

MOMENT = datetime(2026, 3, 20, 14, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(Home.at(tmp_path), {})


@pytest.fixture
def suites(settings: Settings) -> tuple[Suite, ...]:
    # With everything to compare with: each query is there.
    return all_suites(settings, Occasion(date(2026, 3, 20), MOMENT, 3, Path("kpi.duckdb")))


@pytest.fixture
def declared(suites: tuple[Suite, ...]) -> tuple[Expected, ...]:
    return tuple(chain.from_iterable(suite.expected for suite in suites))


def test_no_two_expectations_share_a_name(declared: tuple[Expected, ...]) -> None:
    names = [each.name for each in declared]
    assert sorted(names) == sorted(set(names))


def test_each_expectation_says_what_to_do_when_it_fails(declared: tuple[Expected, ...]) -> None:
    assert [each.name for each in declared if len(each.advice) < 40] == []


def test_each_table_is_named_with_its_schema(declared: tuple[Expected, ...]) -> None:
    assert [each.table for each in declared if not re.fullmatch(r"[a-z]+\.[a-z_]+", each.table)] == []


def test_no_query_holds_what_sqlalchemy_takes_for_a_parameter(declared: tuple[Expected, ...]) -> None:
    rules = [each.rule for each in declared if isinstance(each.rule, NoRows)]
    queries = [query for rule in rules for query in (rule.offenders, rule.rows)]
    assert [query for query in queries if re.search(r":\w", query)] == []


def test_the_tables_of_a_suite_hold_each_expectation_once(suites: tuple[Suite, ...]) -> None:
    for suite in suites:
        by_table = list(chain.from_iterable(suite.by_table().values()))
        assert sorted(each.name for each in by_table) == sorted(each.name for each in suite.expected)


def test_every_extract_is_counted(declared: tuple[Expected, ...]) -> None:
    rows_in_raw = next(each for each in declared if each.name == "every_row_read_is_in_raw")
    assert isinstance(rows_in_raw.rule, NoRows)
    assert [name for name in EXTRACTS if f"from raw.{name} " not in rows_in_raw.rule.offenders] == []


def test_the_kinds_of_kpi_are_those_of_the_specification() -> None:
    assert REVENUE == "client_revenue"
    assert RATIOS == [
        "client_retention_rate",
        "on_time_delivery_rate",
        "client_satisfaction",
        "contract_win_rate",
        "upsell_cross_sell_rate",
    ]
    assert COST_RATIO == "cost_to_budget_ratio"
    assert COLLABORATION == "internal_collaboration_score"
