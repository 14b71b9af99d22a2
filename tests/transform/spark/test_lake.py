"""The lake: what the models read goes there, and nothing else."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.paths import DBT_GROUP_PROJECT
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.transform.dbt_runner import create_audit_tables
from amkpi.transform.spark.lake import Lake, model_schemas, source_tables
from tests.changed_settings import changed
from tests.conftest import Agency


@pytest.fixture
def lake(agency: Agency) -> Lake:
    """The lake of an agency with the tables of a warehouse, without rows but for one fingerprint."""
    with agency.warehouse() as connection:
        create_tables(connection)
        create_audit_tables(connection)
        check_rows(connection, agency.run.settings.kpi.reporting_currency)
        connection.execute(
            "insert into audit.previous_fingerprints"
            " values (1, 'x', null, 2, 18446744073709551615, -36893488147419103230)"
        )
        made = Lake(agency.home, agency.run.settings)
        made.make()
        made.write_rows(connection)
    return made


@pytest.mark.slow
def test_every_source_of_the_models_is_a_file_with_the_types_of_the_warehouse(agency: Agency, lake: Lake) -> None:
    files = {path.parent.relative_to(lake.root / "rows").parts for path in (lake.root / "rows").rglob("*.parquet")}
    assert files == set(source_tables())
    assert len(files) > 20
    other = {("audit", "previous_fingerprints")}
    for schema, table in files - other:
        in_file = duckdb.sql(f"describe from '{lake.root}/rows/{schema}/{table}/rows.parquet'").fetchall()
        in_warehouse = agency.rows(f"describe {schema}.{table}")
        assert [row[:2] for row in in_file] == [row[:2] for row in in_warehouse], table


def test_a_number_that_parquet_has_no_type_for_is_exact(lake: Lake) -> None:
    rows = duckdb.sql(f"from '{lake.root}/rows/audit/previous_fingerprints/rows.parquet'").fetchall()
    assert [(int(row[4]), int(row[5])) for row in rows] == [(18446744073709551615, -36893488147419103230)]


def test_agencies_may_share_a_lake_and_remove_only_their_own_files(agency: Agency, tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    other = Agency.at(tmp_path / "other")
    lakes = [Lake(each.home, changed(each.run.settings, lake=str(tmp_path / "lake"))) for each in (agency, other)]
    for lake in lakes:
        lake.make()
    assert lakes[0].prefix != lakes[1].prefix
    lakes[0].remove()
    assert [lake.built.exists() for lake in lakes] == [False, True]


def test_the_lake_of_a_home_is_closed_to_others(lake: Lake) -> None:
    assert lake.root.stat().st_mode & 0o077 == 0


def test_a_lake_that_is_given_must_exist(agency: Agency, tmp_path: Path) -> None:
    lake = Lake(agency.home, changed(agency.run.settings, lake=str(tmp_path / "nowhere")))
    with pytest.raises(AmkpiError, match=r"setting lake: no folder .*nowhere"):
        lake.make()


@pytest.mark.parametrize("host", ["", "localhost"])
def test_a_lake_may_be_given_by_its_file_url(agency: Agency, tmp_path: Path, host: str) -> None:
    folder = tmp_path / "hồ 100%"
    folder.mkdir()
    url = folder.as_uri().replace("file://", f"file://{host}")
    assert "%25" in url
    lake = Lake(agency.home, changed(agency.run.settings, lake=url))
    lake.make()
    assert lake.built.is_relative_to(folder)
    assert lake.built.is_dir()


@pytest.mark.parametrize("url", ["ftp://key:secret@server/lake", "hdfs://server/lake", "file://server/lake"])
def test_a_lake_that_is_no_folder_is_told_without_its_key(agency: Agency, url: str) -> None:
    lake = Lake(agency.home, changed(agency.run.settings, lake=url))
    with pytest.raises(
        AmkpiError, match=rf"setting lake: {url.split(':')[0]}:// is not supported; give a folder"
    ) as told:
        lake.make()
    assert "secret" not in str(told.value)
    # What a forgotten person or client leaves is removed also then.
    lake.remove()


def test_the_schemas_of_the_models_are_those_of_the_project() -> None:
    assert model_schemas() == ["intermediate", "staging", "kpis", "marts"]


def test_the_lake_of_a_group_has_the_sources_and_schemas_of_its_own_project() -> None:
    assert model_schemas(DBT_GROUP_PROJECT) == ["intermediate", "marts"]
    sources = set(source_tables(DBT_GROUP_PROJECT))
    assert ("sources", "agency_evidence") in sources
    assert {schema for schema, _ in sources} == {"sources", "audit"}
