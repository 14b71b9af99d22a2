"""How a published file was written, and whether it equals the warehouse."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from amkpi.core.home import Home
from amkpi.core.storage.internal_schemas import PUBLISHED
from amkpi.publishing import publication_file
from tests.conftest import Agency


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
                f"select count(*) from ((from {computed} except all from published.{name})"
                f" union all (from published.{name} except all from {computed}))"
            ).fetchall()[0][0]
            for (name,) in found
            for computed in [_in_warehouse(name)]
            # Equal rows have equal hashes, in whatever order. The comparison itself takes four times as long.
            if _hashes(connection, computed) != _hashes(connection, f"published.{name}")
        }
    return {name: rows for name, rows in different.items() if rows}


def _in_warehouse(name: str) -> str:
    """A relation of the file by its name in the warehouse. Computed rows are its marts; nothing is closed here."""
    schema, relation = name.split(".")
    names = {published: own for own, published in PUBLISHED.items()} | {PUBLISHED["fresh"]: "marts"}
    return f"{names.get(schema, schema)}.{relation}"


def small_publication(root: Path) -> Home:
    """A home whose publication is made by hand: enough for tests of how it is read, without a build of 10 s."""
    home = Home.at(root)
    home.make()
    file = home.published / "kpi_by_hand.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        connection.execute("use marts")
        connection.execute(
            "create table kpi_values as select * from (values"
            " ('on_time_delivery_rate', 'own', 'LAN', date '2026-09-01', 0.5::double, null),"
            " ('on_time_delivery_rate', 'company', null, date '2026-09-01', 0.8181818181818182::double, null),"
            " ('client_revenue', 'own', 'LAN', date '2026-09-01', 1234567890123.45::double, null),"
            " ('client_satisfaction', 'own', 'LAN', date '2026-09-01', null, 'no_scored_responses')"
            ") as rows(kpi, scope, staff_id, period_start, value, null_reason)"
        )
        connection.execute(
            "create table dim_staff as select * from (values ('LAN', 'Trần Thị Lan'), ('DUNG', 'Lê Dũng'))"
            " as rows(staff_id, full_name)"
        )
        connection.execute(
            "create table publication as select 'by_hand' as publication_id, date '2026-10-17' as as_of,"
            " 'test' as pipeline_version, 'VND' as reporting_currency"
        )
    home.current.symlink_to(file.name)
    return home


def _hashes(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[object, ...] | None:
    """The number of rows, and two sums of their hashes."""
    return connection.execute(
        f"select count(*), bit_xor(hash(each)), sum(hash(each)::hugeint) from {relation} as each"
    ).fetchone()
