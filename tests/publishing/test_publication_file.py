"""The file of a publication holds the same rows, whether it is written in full or from the base publication."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
import yaml

from amkpi.access import addresses
from amkpi.core.paths import DBT_PROJECT
from amkpi.publishing import publication_file
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency
from tests.publishing.published_files import different_rows, written

__all__ = ["written"]  # a fixture


@pytest.fixture(scope="module")
def built_twice(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    """Two builds, the second incremental; only the first is published. Tests work on copies of it."""
    agency = Agency.at(tmp_path_factory.mktemp("built") / "home")
    agency.load(random_agency(7, as_of=AS_OF, size="tiny")[0])
    agency.build()
    agency.publish_unaudited()
    agency.load({"clients/more.csv": "client_id,client_name\nZZ,Trà Xanh\n"})
    agency.build()
    return agency


@pytest.fixture
def rebuilt(built_twice: Agency, tmp_path: Path) -> tuple[Agency, Path]:
    """A copy of the agency that was built twice, and the file of the first build."""
    agency = built_twice.copy(tmp_path / "rebuilt")
    return agency, agency.home.current.resolve()


@pytest.mark.slow
def test_a_base_publication_that_was_changed_is_not_used(rebuilt: tuple[Agency, Path], written: list[str]) -> None:
    agency, base = rebuilt
    base.chmod(0o644)
    with duckdb.connect(str(base)) as connection:
        connection.execute(
            "update intermediate.int_kpi_values set value = value + 1 where rowid = (select max(rowid) from"
            " intermediate.int_kpi_values where value is not null)"
        )
    assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == ["from base", "in full"]


@pytest.mark.slow
def test_a_changed_address_is_held_from_the_publication_on_that_has_it(rebuilt: tuple[Agency, Path]) -> None:
    agency, _ = rebuilt
    with agency.warehouse() as connection:
        ((staff_id,),) = connection.execute("select min(staff_id) from marts.dim_staff").fetchall()
        connection.execute("update marts.dim_staff set email = 'new@agency.example' where staff_id = ?", [staff_id])
    addresses.observe(agency.home.state, [(staff_id, "old@agency.example")], agency.moment)
    agency.publish_unaudited()
    assert [(each.staff_id, each.new) for each in addresses.changes(agency.home.state)] == [
        (staff_id, "new@agency.example")
    ]
    assert list(json.loads((agency.home.published / addresses.FILE).read_text())) == [staff_id]


@pytest.mark.parametrize("state", ["missing", "broken", "incomplete"])
@pytest.mark.slow
def test_without_a_usable_base_the_file_is_written_in_full(
    rebuilt: tuple[Agency, Path], written: list[str], state: str
) -> None:
    agency, base = rebuilt
    base.chmod(0o644)
    if state == "missing":
        base.unlink()
    elif state == "broken":
        base.write_bytes(base.read_bytes()[:5000])
    else:
        with duckdb.connect(str(base)) as connection:
            connection.execute("drop table fresh.scorecards")
    assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == [*(["from base"] if state == "incomplete" else []), "in full"]


@pytest.mark.slow
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
