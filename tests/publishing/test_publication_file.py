"""The file of a publication holds the same rows, whether it is written in full or from the base publication."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from amkpi.access import addresses
from amkpi.core.catalogue import kpis
from amkpi.core.language import mart_texts
from amkpi.core.paths import DBT_PROJECT
from amkpi.core.storage import published_hashes
from amkpi.core.storage.internal_schemas import PUBLISHED
from amkpi.publishing import mart_changes, publication_file
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
            "update internal.int_kpi_values set value = value + 1 where rowid = (select max(rowid) from"
            " internal.int_kpi_values where value is not null)"
        )
    # As if it had been written so: else its hash says that somebody has written into it, and nothing is compared.
    published_hashes.record(agency.home, base)
    assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == ["from base", "in full"]


# Each is what the file of the base publication may have otherwise than the new build, and its marts by that: no period
# of it is computed again.
DIFFERENCES = {
    "the name of a client": [
        "update internal.int_record_details set client_name = 'Another' where source_extract = 'projects'",
        "update marts.kpi_evidence set client_name = 'Another' where source_extract = 'projects'",
    ],
    "a record without details": [
        "delete from internal.int_record_details where source_extract = 'contracts'",
        "update marts.kpi_evidence set client_name = null, kind = null, file_name = null, line_number = null"
        " where source_extract = 'contracts'",
    ],
    "who is over somebody": [
        "update internal.int_team_paths set team_path = ['ZZ'] where staff_id ="
        " (select max(staff_id) from marts.kpi_evidence where team_path is not null)",
        "update marts.kpi_evidence set team_path = ['ZZ'] where staff_id ="
        " (select max(staff_id) from marts.kpi_evidence where team_path is not null) and team_path is not null",
    ],
    "a daily measure": [
        "update internal.int_daily_measures set numerator = numerator + 1",
        "update marts.supporting_measures set value = value + 1 where measure = 'days_late_median'",
    ],
    "a day of a period": [
        "update internal.int_period_months set month_start = month_start - 1 where period_grain = 'year'",
        "delete from marts.kpi_evidence where period_grain = 'year'",
    ],
    "a closing": [
        "insert into internal_closing.periods values (1, 'month', '2026-01-01', '2026-01-31', '2026-02-01')",
        "insert into marts.closings (n, period_grain, period_start, sha256) values (1, 'month', '2026-01-01', 'hash')",
        *(
            f"update marts.{mart} set is_closed = true where period_grain = 'month' and period_start = '2026-01-01'"
            for mart in publication_file.CLOSABLE
        ),
        "update marts.scorecard_lines set previous_value = 7 where period_grain = 'month'"
        " and period_start = '2026-02-01'",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("difference", DIFFERENCES)
def test_rows_of_kept_periods_are_replaced_where_what_the_marts_are_made_of_differs(
    rebuilt: tuple[Agency, Path], written: list[str], difference: str
) -> None:
    assert different_rows(*changed(rebuilt, DIFFERENCES[difference])) == {}
    assert written == ["from base"]


@pytest.mark.slow
@pytest.mark.parametrize("catalogue", ["int_kpi_catalogue", "int_measure_catalogue"])
def test_with_another_catalogue_the_file_is_written_in_full(
    rebuilt: tuple[Agency, Path], written: list[str], catalogue: str
) -> None:
    assert different_rows(*changed(rebuilt, [f"update internal.{catalogue} set unit = 'another'"])) == {}
    assert written == ["in full"]


def changed(rebuilt: tuple[Agency, Path], statements: list[str]) -> tuple[Agency, Path]:
    """The agency, and the file that it publishes from a base publication after these statements."""
    agency, base = rebuilt
    base.chmod(0o644)
    with duckdb.connect(str(base)) as connection:
        for statement in statements:
            ((rows,),) = connection.execute(statement).fetchall()
            assert rows, statement
    # As if it had been written so: else its hash says that somebody has written into it.
    published_hashes.record(agency.home, base)
    return agency, agency.publish_unaudited()


@pytest.mark.slow
def test_all_that_the_views_of_the_marts_read_is_replaced_by_period_or_compared(rebuilt: tuple[Agency, Path]) -> None:
    agency, _ = rebuilt
    with agency.warehouse() as connection:
        views = dict(
            connection.execute(
                "select schema_name || '.' || view_name, sql from duckdb_views()"
                " where schema_name in ('marts', 'intermediate')"
            ).fetchall()
        )
    read = {
        f"{schema}.{relation}"
        for mart in publication_file.COMPUTED_VIEWS
        for schema, relation in re.findall(r"\b(marts|intermediate|closing)\.(\w+)", views[f"marts.{mart}"])
        if (schema, relation) not in {("marts", other) for other in ("kpi_evidence", mart)}
    }
    compared = {
        f"{'closing' if name in ('periods', 'previous_values') else 'intermediate'}.{name}"
        for name in mart_changes.COMPARED
    }
    by_period = {*publication_file.REPLACED_BY_PERIOD, "marts.kpi_values"}
    assert read <= compared | by_period
    assert compared <= read


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


@pytest.mark.parametrize("state", ["missing", "broken", "incomplete", "without a hash"])
@pytest.mark.slow
def test_without_a_usable_base_the_file_is_written_in_full(
    rebuilt: tuple[Agency, Path], written: list[str], state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    agency, base = rebuilt
    base.chmod(0o644)
    if state == "missing":
        base.unlink()
    elif state == "broken":
        base.write_bytes(base.read_bytes()[:5000])
    elif state == "without a hash":
        (agency.home.published / "hashes.json").unlink()
    else:
        with duckdb.connect(str(base)) as connection:
            connection.execute("drop table internal_fresh.scorecards")
        published_hashes.record(agency.home, base)
    assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == [*(["from base"] if state == "incomplete" else []), "in full"]
    said = capsys.readouterr().err
    assert ("was written in full, not from the one before it: Catalog Error" in said) == (state == "incomplete"), said


@pytest.mark.slow
def test_too_little_memory_for_the_way_from_the_base_is_told_with_the_setting(
    rebuilt: tuple[Agency, Path],
    written: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    agency, _ = rebuilt

    def needs_more(connection: duckdb.DuckDBPyConnection, *given: object) -> None:
        connection.execute("set memory_limit = '60MB'")
        try:
            # A list cannot be spilled.
            connection.execute("select list(range) from range(100000000)")
        finally:
            connection.execute("set memory_limit = '1GB'")

    monkeypatch.setattr(publication_file, "_replace_closable", needs_more)
    assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == ["from base", "in full"]
    assert (
        "amkpi: the publication was written in full, not from the one before it: DuckDB needs more memory than 1GB:"
        " raise the setting memory_limit (AMKPI_MEMORY_LIMIT)"
    ) in capsys.readouterr().err


@pytest.mark.slow
def test_joins_leave_most_of_the_memory_to_the_rows_that_are_written(
    rebuilt: tuple[Agency, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    agency, base = rebuilt
    limits: list[object] = []
    of_joins = "parse_formatted_bytes(current_setting('operator_memory_limit'))"
    whole = "parse_formatted_bytes(current_setting('memory_limit'))"

    def look(connection: duckdb.DuckDBPyConnection) -> None:
        limits.extend(connection.execute(f"select round({of_joins} / {whole}, 2)").fetchall()[0])

    for way in ("_write_from_base", "_write_in_full"):
        monkeypatch.setattr(publication_file, way, lambda connection, *given: look(connection))
    with agency.warehouse() as connection:
        # The first way says that the base is not as the build.
        assert publication_file.write(connection, agency.home.root / "file.duckdb", base) is None
        look(connection)
    assert limits == [0.25, 0.25, None]


def test_without_a_limit_of_memory_joins_have_none_either() -> None:
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '-1'")
        with publication_file._memory_left_for_rows(connection):
            assert connection.execute("select current_setting('operator_memory_limit')").fetchone() == (None,)


@pytest.mark.slow
def test_the_file_is_attached_anew_for_each_mart(rebuilt: tuple[Agency, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    agency, _ = rebuilt
    attached: list[str] = []
    replace = publication_file._replace

    def replaced(connection: duckdb.DuckDBPyConnection, mart: str, *given: str) -> None:
        ((number,),) = connection.execute(
            "select database_oid from duckdb_databases() where database_name = 'new_publication'"
        ).fetchall()
        attached.append(f"{mart} {number}")
        replace(connection, mart, *given)

    monkeypatch.setattr(publication_file, "_replace", replaced)
    agency.publish_unaudited()
    # DuckDB frees a part of its memory only then. The last two are few rows.
    numbers = [each.split()[1] for each in attached[: len(publication_file.CLOSABLE)]]
    assert len(set(numbers)) == len(publication_file.CLOSABLE), attached


@pytest.mark.slow
@pytest.mark.parametrize(("share", "way"), [(0.4, "from base"), (0.6, "in full")])
def test_where_most_values_changed_the_file_is_written_in_full(
    rebuilt: tuple[Agency, Path], written: list[str], share: float, way: str
) -> None:
    agency, _ = rebuilt
    with agency.warehouse() as connection:
        connection.execute(
            "insert into intermediate.int_changed_periods (period_id) select period_id from (select period_id,"
            " sum(count(*)) over (order by period_id) / sum(count(*)) over () as share"
            f" from intermediate.int_kpi_values group by period_id) where share <= {share}"
        )
        ((changed, all_values),) = connection.execute(
            "select count(*) filter (period_id in (from intermediate.int_changed_periods)), count(*)"
            " from intermediate.int_kpi_values"
        ).fetchall()
    assert share - 0.1 < changed / all_values <= share
    assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == [way]


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
    views = {"int_kpi_records", "int_client_records", "int_target_spans"}
    assert {models[name]["materialized"] for name in views} == {"view"}
    assert {table.split(".")[1] for table in publication_file.REPLACED_BY_PERIOD} == published | views


@pytest.mark.slow
def test_each_mart_is_a_table_and_everything_in_the_file_has_its_comment(rebuilt: tuple[Agency, Path]) -> None:
    agency, written_in_full = rebuilt
    for file in (written_in_full, agency.publish_unaudited()):
        with duckdb.connect(str(file), read_only=True) as connection:
            relations = connection.execute(
                "select table_schema, table_type, list(table_name) from information_schema.tables group by all"
            ).fetchall()
            assert {schema for schema, _, _ in relations} == {"marts", *PUBLISHED.values()}
            assert {kind: set(names) for schema, kind, names in relations if schema == "marts"} == {
                "BASE TABLE": set(mart_texts.marts())
            }
            commented = connection.execute(
                "select schema_name, table_name, null, comment from duckdb_tables() union all"
                " select schema_name, view_name, null, comment from duckdb_views() where not internal union all"
                " select schema_name, table_name, column_name, comment from duckdb_columns() where not internal"
            ).fetchall()
        assert [row for row in commented if row[3] is None] == []
        of_marts = {(table, column): text for schema, table, column, text in commented if schema == "marts"}
        assert of_marts == mart_texts.comments()
        assert {text.split(":")[0] for schema, *_, text in commented if schema != "marts"} == {"Internal"}


@pytest.mark.slow
def test_the_dimensions_have_each_kpi_period_and_day_that_the_marts_name(rebuilt: tuple[Agency, Path]) -> None:
    _, file = rebuilt
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("use marts")
        names = connection.execute("select number, kpi, label_vi, question_en from dim_kpi order by number").fetchall()
        assert names == [(each.number, each.name, each.label.vi, each.question.en) for each in kpis()]
        periods = "select period_grain, period_start, period_end, is_provisional from"
        assert connection.execute(f"{periods} kpi_values except {periods} dim_period").fetchall() == []
        days = connection.execute("select count(*), max(day) - min(day) + 1 from dim_date").fetchall()[0]
        assert days[0] == days[1] > 700
        assert connection.execute(
            "select count(*) from dim_period where period_start not in (select day from dim_date)"
            " or period_end not in (select day from dim_date)"
        ).fetchall() == [(0,)]


# Other programs open the file. What the project does not install itself is put into small environments of its own, from
# the package registry.

# Each prints, for each mart, what `rows_of` returns here. Cells are texts, so that moments need no other package.
ROWS = """
import json, sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
marts = connection.execute(
    "select table_name from information_schema.tables where table_schema = 'marts' and table_type = 'BASE TABLE'"
).fetchall()
print(json.dumps({mart: [list(row) for row in connection.execute(
    f"select columns(*)::varchar from marts.{mart} order by all").fetchall()] for (mart,) in marts}))
"""
COUNTS = """
import json, sys, duckdb, ibis
connection = duckdb.connect(sys.argv[1], read_only=True)
tables = ibis.duckdb.connect(sys.argv[1], read_only=True)
print(json.dumps({mart: [
    len(connection.sql(f"from marts.{mart}").df()),
    len(connection.sql(f"from marts.{mart}").pl()),
    len(tables.table(mart, database="marts").execute()),
] for mart in tables.list_tables(database="marts")}))
"""


@pytest.fixture(scope="module")
def published_file(built_twice: Agency) -> Path:
    """The file that earlier tests have not changed: that of the first build."""
    return built_twice.home.current.resolve()


@pytest.fixture(scope="module")
def rows(published_file: Path) -> dict[str, list[list[str | None]]]:
    """Every row of every mart as texts, read with the DuckDB of the project."""
    with duckdb.connect(str(published_file), read_only=True) as connection:
        marts = connection.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()
        return {
            mart: [
                list(row)
                for row in connection.execute(f"select columns(*)::varchar from marts.{mart} order by all").fetchall()
            ]
            for (mart,) in marts
        }


def answer(folder: Path, packages: list[str], program: str, file: Path) -> Any:
    """What a program prints that runs with these packages alone. Skips the test where they cannot be installed."""
    uv = Path(sys.executable).with_name("uv")
    python = folder / "bin" / "python"
    for command in (
        [uv, "venv", "-q", "--python", sys.executable, folder],
        [uv, "pip", "install", "-q", "--no-build", "--python", python, *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"{' '.join(packages)} cannot be installed here: {done.stderr.strip()[-300:]}")
    result = subprocess.run(
        [python, "-W", "ignore", "-c", program, file], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    # DuckDB draws its progress bar above the answer when the machine is slow.
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.4", "1.5"])
def test_an_earlier_duckdb_reads_every_row_of_every_mart(
    published_file: Path, rows: dict[str, list[list[str | None]]], tmp_path: Path, version: str
) -> None:
    found = answer(tmp_path / "venv", [f"duckdb=={version}.*"], ROWS, published_file)
    assert found.keys() == rows.keys()
    assert [mart for mart in rows if found[mart] != rows[mart]] == []
    assert len(rows["kpi_values"]) > 1000


@pytest.mark.slow
def test_pandas_polars_and_ibis_read_every_row_of_every_mart(
    published_file: Path, rows: dict[str, list[list[str | None]]], tmp_path: Path
) -> None:
    packages = ["duckdb==1.5.*", "pandas", "polars", "pyarrow", "ibis-framework[duckdb]", "pytz"]
    assert answer(tmp_path / "venv", packages, COUNTS, published_file) == {
        mart: 3 * [len(of)] for mart, of in rows.items()
    }


@pytest.mark.slow
def test_sqlalchemy_lists_and_reads_every_mart(published_file: Path, rows: dict[str, list[list[str | None]]]) -> None:
    import pandas as pd
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"duckdb:///{published_file}", connect_args={"read_only": True})
    try:
        with engine.connect() as connection:
            listed = sqlalchemy.inspect(connection).get_table_names(schema="marts")
            assert sorted(listed) == sorted(rows)
            for mart in listed:
                query = sqlalchemy.text(f"select * from marts.{mart}")
                assert len(connection.execute(query).fetchall()) == len(rows[mart])
                assert len(pd.read_sql(query, connection)) == len(rows[mart])
    finally:
        engine.dispose()
