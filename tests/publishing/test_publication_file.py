"""The file of a publication: the same rows, written whole or made of the file before it."""

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
    """How the files were written, one after the other: `whole`, or `exchanged`."""
    ways: list[str] = []
    whole, exchange = publication_file._write_whole, publication_file._exchange
    monkeypatch.setattr(publication_file, "_write_whole", lambda *given: ways.append("whole") or whole(*given))
    monkeypatch.setattr(publication_file, "_exchange", lambda *given: ways.append("exchanged") or exchange(*given))
    return ways


def unlike_the_warehouse(agency: Agency, file: Path) -> dict[str, int]:
    """How many rows the file and the warehouse do not share, by table and view; those that share all left out."""
    with agency.warehouse() as connection:
        connection.execute(f"attach '{file}' as published (read_only)")
        found = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'published'"
            " union all select schema_name || '.' || view_name from duckdb_views()"
            " where database_name = 'published' and not internal"
        ).fetchall()
        assert len(found) > 20
        unlike = {
            name: connection.execute(
                f"select count(*) from ((from {name} except all from published.{name})"
                f" union all (from published.{name} except all from {name}))"
            ).fetchall()[0][0]
            for (name,) in found
        }
    return {name: rows for name, rows in unlike.items() if rows}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [12])
def test_night_after_night_the_file_holds_what_the_warehouse_does(
    make_agency: Callable[..., Agency], written: list[str], seed: int
) -> None:
    agency = make_agency(as_of=AS_OF)
    runs = random_agency(seed, as_of=AS_OF, dirty=True)
    # Late, corrected, deleted and released rows, a day later each time.
    for _ in agency.nights(runs):
        assert unlike_the_warehouse(agency, agency.publish_unaudited()) == {}
    # Nights on which a date alone moves: over the end of a month, and back.
    for days in (9, 20, 5):
        agency.run = replace(agency.run, as_of=AS_OF + timedelta(days=days))
        agency.build()
        assert unlike_the_warehouse(agency, agency.publish_unaudited()) == {}
    assert written == ["whole", *["exchanged"] * (len(runs) + 2)]


def a_build_on_another(agency: Agency) -> Path:
    """Two builds, of which the first is published: its file."""
    runs = random_agency(7, as_of=AS_OF, size="tiny")
    agency.load(runs[0])
    agency.build()
    basis = agency.publish_unaudited()
    agency.load({"clients/more.csv": "client_id,client_name\nZZ,Trà Xanh\n"})
    agency.build()
    return basis


def test_a_file_that_is_not_what_it_was_is_no_basis(agency: Agency, written: list[str]) -> None:
    basis = a_build_on_another(agency)
    basis.chmod(0o644)
    with duckdb.connect(str(basis)) as connection:
        connection.execute(
            "update intermediate.int_kpi_values set value = value + 1 where rowid = (select max(rowid) from"
            " intermediate.int_kpi_values where value is not null)"
        )
    assert unlike_the_warehouse(agency, agency.publish_unaudited()) == {}
    assert written == ["whole", "exchanged", "whole"]


@pytest.mark.parametrize("what", ["gone", "broken", "poorer"])
def test_without_a_sound_basis_the_file_is_written_whole(agency: Agency, written: list[str], what: str) -> None:
    basis = a_build_on_another(agency)
    basis.chmod(0o644)
    if what == "gone":
        basis.unlink()
    elif what == "broken":
        basis.write_bytes(basis.read_bytes()[:5000])
    else:
        with duckdb.connect(str(basis)) as connection:
            connection.execute("drop table marts.scorecards")
    assert unlike_the_warehouse(agency, agency.publish_unaudited()) == {}
    assert written == ["whole", *(["exchanged"] if what == "poorer" else []), "whole"]


def test_a_table_is_exchanged_by_period_only_where_its_model_keeps_periods() -> None:
    models = {
        entry["name"]: entry.get("config", {})
        for path in (DBT_PROJECT / "models").rglob("*.yml")
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }
    keeping = {name for name, config in models.items() if config.get("materialized") == "incremental"}
    published = {name for name in keeping if name in publication_file.BEHIND_MARTS or not name.startswith("int_")}
    # Views on tables that each build makes whole; their inputs' fingerprints say which periods changed.
    views = {"int_kpi_records", "int_client_records"}
    assert {models[name]["materialized"] for name in views} == {"view"}
    assert {table.split(".")[1] for table in publication_file.EXCHANGED} == published | views
