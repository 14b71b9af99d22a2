"""The file of a publication holds the same rows, whether it is written in full or from the base publication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
import yaml

from amkpi.core.paths import DBT_PROJECT
from amkpi.publishing import publication_file
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How each file was written, in order: `in full`, or `from base`."""
    ways: list[str] = []
    in_full, from_base = publication_file._write_in_full, publication_file._replace_changed
    monkeypatch.setattr(publication_file, "_write_in_full", lambda *given: ways.append("in full") or in_full(*given))
    monkeypatch.setattr(
        publication_file, "_replace_changed", lambda *given: ways.append("from base") or from_base(*given)
    )
    return ways


def different_rows(agency: Agency, file: Path) -> dict[str, int]:
    """The number of rows that only the file or only the warehouse has, by table and view; equal ones are left out."""
    with agency.warehouse() as connection:
        connection.execute(f"attach '{file}' as published (read_only)")
        found = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'published'"
            " union all select schema_name || '.' || view_name from duckdb_views()"
            " where database_name = 'published' and not internal"
        ).fetchall()
        assert len(found) > 20
        different = {
            name: connection.execute(
                f"select count(*) from ((from {name} except all from published.{name})"
                f" union all (from published.{name} except all from {name}))"
            ).fetchall()[0][0]
            for (name,) in found
        }
    return {name: rows for name, rows in different.items() if rows}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [12])
def test_each_incremental_publication_equals_the_warehouse(
    make_agency: Callable[..., Agency], written: list[str], seed: int
) -> None:
    agency = make_agency(as_of=AS_OF)
    runs = random_agency(seed, as_of=AS_OF, dirty=True)
    # Late, corrected, deleted and released rows, one day later each time.
    for _ in agency.nights(runs):
        assert different_rows(agency, agency.publish_unaudited()) == {}
    # Builds in which only the date changes: past the end of a month, and back.
    for days in (9, 20, 5):
        agency.run = replace(agency.run, as_of=AS_OF + timedelta(days=days))
        agency.build()
        assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == ["in full", *["from base"] * (len(runs) + 2)]


def incremental_build(agency: Agency) -> Path:
    """Two builds, the second incremental; only the first is published. Returns its file."""
    runs = random_agency(7, as_of=AS_OF, size="tiny")
    agency.load(runs[0])
    agency.build()
    base = agency.publish_unaudited()
    agency.load({"clients/more.csv": "client_id,client_name\nZZ,Trà Xanh\n"})
    agency.build()
    return base


def test_a_base_publication_that_was_changed_is_not_used(agency: Agency, written: list[str]) -> None:
    base = incremental_build(agency)
    base.chmod(0o644)
    with duckdb.connect(str(base)) as connection:
        connection.execute(
            "update intermediate.int_kpi_values set value = value + 1 where rowid = (select max(rowid) from"
            " intermediate.int_kpi_values where value is not null)"
        )
    assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == ["in full", "from base", "in full"]


@pytest.mark.parametrize("state", ["missing", "broken", "incomplete"])
def test_without_a_usable_base_the_file_is_written_in_full(agency: Agency, written: list[str], state: str) -> None:
    base = incremental_build(agency)
    base.chmod(0o644)
    if state == "missing":
        base.unlink()
    elif state == "broken":
        base.write_bytes(base.read_bytes()[:5000])
    else:
        with duckdb.connect(str(base)) as connection:
            connection.execute("drop table marts.scorecards")
    assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == ["in full", *(["from base"] if state == "incomplete" else []), "in full"]


def test_a_table_is_replaced_by_period_only_where_its_model_is_incremental() -> None:
    models = {
        entry["name"]: entry.get("config", {})
        for path in (DBT_PROJECT / "models").rglob("*.yml")
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }
    incremental = {name for name, config in models.items() if config.get("materialized") == "incremental"}
    published = {
        name for name in incremental if name in publication_file.TABLES_BEHIND_MARTS or not name.startswith("int_")
    }
    # Views on tables that each build computes in full; the period fingerprints tell which periods changed.
    views = {"int_kpi_records", "int_client_records"}
    assert {models[name]["materialized"] for name in views} == {"view"}
    assert {table.split(".")[1] for table in publication_file.REPLACED_BY_PERIOD} == published | views
