"""dbt's reading of its project is kept, and is what dbt would read anew."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.transform import dbt_runner, manifest_cache
from tests.conftest import Agency

# dbt takes seconds to import and to read the project.
pytestmark = pytest.mark.slow

FULL_PARSE = "Starting full parse"
# The file in which dbt leaves what it has parsed.
OF_DBT = "partial_parse.msgpack"


def build_one_model(agency: Agency, as_of: date | None = None) -> None:
    """Let dbt read its project and build one model: what is kept does not depend on how much is built."""
    arguments = ["run", "--select", "+int_fx_history", "--full-refresh"]
    dbt_runner.run_dbt(agency.home, agency.run.settings, as_of or agency.run.as_of, arguments, lambda line: None)


def loaded(agency: Agency) -> None:
    """Load nothing, and check its rows, so that the staging views have their tables."""
    agency.load()
    with agency.warehouse() as connection:
        dbt_runner.create_audit_tables(connection)
        check_rows(connection, agency.run.settings.kpi.reporting_currency)


def log_of(agency: Agency) -> str:
    """What dbt has logged of the agency since it was asked last."""
    log = agency.home.dbt_target / "dbt.log"
    message = log.read_text(encoding="utf-8")
    log.write_text("", encoding="utf-8")
    return message


def graph(agency: Agency) -> dict[str, tuple[Any, ...]]:
    """What is kept of each model and test, without its SQL."""
    manifest = manifest_cache.load(agency.home)
    assert manifest is not None
    return {
        name: (node.config.to_dict(), sorted(node.depends_on.nodes), sorted(node.depends_on.macros), node.raw_code)
        for name, node in manifest.nodes.items()
    }


@dataclass(frozen=True)
class Parsed:
    """An agency for which dbt has parsed the project, and what it left."""

    agency: Agency
    project: Path
    log: str

    @property
    def kept(self) -> Path:
        """The file in the cache, the only one."""
        (file,) = (self.project / "target").glob("parsed_*.msgpack")
        return file

    def give_to(self, agency: Agency) -> None:
        """Let dbt have left the same file in another home."""
        agency.home.dbt_target.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.agency.home.dbt_target / OF_DBT, agency.home.dbt_target / OF_DBT)


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    """One model, built where nothing was cached. To be read, not to be changed: dbt needs 5 s to parse the project."""
    folder = tmp_path_factory.mktemp("parsed")
    (folder / "project").mkdir()
    agency = Agency.at(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_cache, "DBT_PROJECT", folder / "project")
        loaded(agency)
        build_one_model(agency)
    return Parsed(agency, folder / "project", log_of(agency))


@pytest.fixture
def cached(parsed: Parsed, monkeypatch: pytest.MonkeyPatch) -> Parsed:
    """The same, with its cache in use."""
    monkeypatch.setattr(manifest_cache, "DBT_PROJECT", parsed.project)
    return parsed


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test for what is cached in the project's folder."""
    monkeypatch.setattr(manifest_cache, "DBT_PROJECT", tmp_path / "project")
    (tmp_path / "project").mkdir()
    return tmp_path / "project" / "target"


def test_the_project_is_read_once_for_every_home_and_date(cached: Parsed, make_agency: Any) -> None:
    assert FULL_PARSE in cached.log
    assert cached.kept.is_file()
    second = make_agency("second")
    loaded(second)
    second.set(reporting_currency="USD")
    build_one_model(second, second.run.as_of.replace(day=1))
    assert FULL_PARSE not in log_of(second)
    assert second.rows("select distinct currency from intermediate.int_fx_history") == [("USD",)]


def test_the_cache_has_only_the_tests_that_a_build_runs(cached: Parsed) -> None:
    """With the tests of keys and columns, and the unit tests, every build took a second longer."""
    kinds = {name.split(".")[2].split("_")[0] for name in graph(cached.agency) if name.startswith("test.")}
    assert kinds == {"is", "every"}  # is_unique, every_kpi_arrives
    manifest = manifest_cache.load(cached.agency.home)
    assert manifest is not None
    assert not manifest.unit_tests


def test_a_project_that_cannot_be_written_is_kept_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agency: Agency, parsed: Parsed
) -> None:
    (tmp_path / "read only").write_text("")
    monkeypatch.setattr(manifest_cache, "DBT_PROJECT", tmp_path / "read only")
    loaded(agency)
    parsed.give_to(agency)
    manifest_cache.save(agency.home)
    assert len(list(agency.home.dbt_target.glob("parsed_*.msgpack"))) == 1
    # Without dbt's own file, only ours is left to read.
    (agency.home.dbt_target / OF_DBT).unlink()
    build_one_model(agency, agency.run.as_of.replace(day=1))
    assert FULL_PARSE not in log_of(agency)


def test_an_installed_package_is_not_written_to(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch, agency: Agency, parsed: Parsed
) -> None:
    monkeypatch.setattr(manifest_cache, "IS_CHECKOUT", False)
    parsed.give_to(agency)
    manifest_cache.save(agency.home)
    assert not cache_folder.exists()
    assert len(list(agency.home.dbt_target.glob("parsed_*.msgpack"))) == 1


def test_dbt_gets_the_warehouse_of_the_run_and_the_environment_stays_as_it_is(
    cached: Parsed, monkeypatch: pytest.MonkeyPatch, agency: Agency
) -> None:
    monkeypatch.setenv("AMKPI_WAREHOUSE", "/of/another/agency.duckdb")
    environment = dict(os.environ)
    changed: list[set[str]] = []
    loaded(agency)
    arguments = ["run", "--select", "+int_fx_history", "--full-refresh"]
    dbt_runner.run_dbt(
        agency.home,
        agency.run.settings,
        agency.run.as_of,
        arguments,
        lambda line: changed.append({name for name, _ in dict(os.environ).items() ^ environment.items()}),
    )
    assert changed
    assert not any("AMKPI" in name for names in changed for name in names)
    assert agency.rows("select count(*) from intermediate.int_fx_history")


def test_the_project_is_read_again_when_the_cache_is_damaged(
    cache_folder: Path, agency: Agency, parsed: Parsed
) -> None:
    parsed.give_to(agency)
    manifest_cache.save(agency.home)
    assert manifest_cache.load(agency.home) is not None
    (kept,) = cache_folder.glob("parsed_*.msgpack")
    kept.write_bytes(kept.read_bytes()[:1000])
    assert manifest_cache.load(agency.home) is None


@pytest.mark.long
def test_another_program_reads_anew_and_lets_the_old_reading_go(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch, agency: Agency
) -> None:
    loaded(agency)
    build_one_model(agency)
    (old,) = cache_folder.glob("parsed_*.msgpack")
    monkeypatch.setattr(manifest_cache, "pipeline_version", lambda: "another")
    assert manifest_cache.load(agency.home) is None
    build_one_model(agency, agency.run.as_of.replace(day=1))
    (new,) = cache_folder.glob("parsed_*.msgpack")
    assert new != old


@pytest.mark.long
def test_the_cache_depends_on_no_variable(cache_folder: Path, make_agency: Any) -> None:
    plain, other = make_agency("plain"), make_agency("other")
    loaded(plain)
    build_one_model(plain)
    as_by_default = graph(plain)
    (kept,) = cache_folder.glob("parsed_*.msgpack")
    kept.unlink()
    loaded(other)
    other.set(
        reporting_currency="USD",
        account_roles=("account_director",),
        revenue_kinds=("renewal",),
        retention_grace_days=0,
        csat_threshold=0.5,
        min_raters=1,
        attainment_floor=0.5,
        attainment_cap=2.0,
        min_weight_covered=0.0,
    )
    build_one_model(other)
    assert FULL_PARSE in log_of(other)
    assert len(as_by_default) > 60
    assert graph(other) == as_by_default
