"""The ymls of the staging models have what the extracts declare."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from amkpi.ingestion.contracts.extracts import EXTRACTS
from tools.docs.staging import yml


def model(extract: str) -> dict[str, Any]:
    (found,) = yaml.safe_load(yml(extract))["models"]
    return dict(found)


@pytest.mark.parametrize("extract", EXTRACTS)
def test_every_column_has_its_text_and_a_required_one_is_not_null(extract: str) -> None:
    columns = model(extract)["columns"]
    assert [column["name"] for column in columns] == [column.name for column in EXTRACTS[extract].columns]
    for column, declared in zip(columns, EXTRACTS[extract].columns, strict=True):
        assert column["description"].strip()
        if declared.required:
            assert "not_null" in column["data_tests"]


def test_a_key_of_one_column_is_unique_and_one_of_more_a_unique_combination() -> None:
    assert model("clients")["columns"][0]["data_tests"] == ["not_null", "unique"]
    assert model("fx_rates")["data_tests"] == [
        {"unique_combination": {"arguments": {"columns": ["currency", "rate_date"]}}}
    ]
    assert "data_tests" not in model("clients")


def test_a_reference_is_a_relationship() -> None:
    columns = {column["name"]: column for column in model("project_costs")["columns"]}
    arguments = {"to": "ref('stg_projects')", "field": "project_id"}
    assert columns["project_id"]["data_tests"] == ["not_null", {"relationships": {"arguments": arguments}}]
