"""A build of the group: the same inputs give the same publication, and a failure leaves the last good one in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core import publication_id
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage.warehouse import open_warehouse
from amkpi.group.build import build as building
from amkpi.group.build import sources
from amkpi.group.build.audit import audit
from amkpi.group.home import group_run
from amkpi.publishing.reader import published
from tests.command_line import amkpi
from tests.conftest import AS_OF
from tests.group.conftest import RATES, Group

pytestmark = pytest.mark.slow
TODAY = date(2026, 10, 20)


@pytest.fixture
def without_dbt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models stay as they are in the copied warehouse."""
    monkeypatch.setattr(building, "run_dbt", lambda *_, **__: (0, 0))


@pytest.fixture(scope="module")
def warehouse(group: Group, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of the group, a copy."""
    copy = tmp_path_factory.mktemp("audit") / "warehouse.duckdb"
    copy.write_bytes((group.root / "group" / "warehouse" / "warehouse.duckdb").read_bytes())
    with duckdb.connect(str(copy)) as connection:
        yield connection


def test_the_same_inputs_give_the_same_publication_and_are_not_built_again(
    make_group: Callable[[], Group], monkeypatch: pytest.MonkeyPatch, group: Group
) -> None:
    copy = make_group()
    monkeypatch.setattr(building, "run_dbt", lambda *_, **__: pytest.fail("built again"))
    assert group.report is not None
    report = copy.build()
    assert (report.publication_id, report.is_new) == (group.report.publication_id, False)


def test_every_input_is_part_of_the_id(make_group: Callable[[], Group]) -> None:
    copy = make_group()

    def identity() -> str:
        agencies = copy.agencies
        rates = building.read_rates(copy.root)
        targets = building.read_targets(copy.root, agencies)
        settings = building.group_settings(agencies)
        return building._publication_id(agencies, settings, building.find_sources(agencies, TODAY), rates, targets)

    found = [identity()]
    for name, old, new in (
        ("fx_rates.csv", "USD,2026-01-01", "USD,2026-01-02"),
        ("group_targets.csv", "0.9", "0.8"),
        ("agencies.toml", 'region = "South"', 'region = "Centre"'),  # of which no target speaks
        ("agencies.toml", "Sao Mai Group", "Sao Mai"),
        ("agencies.toml", "Hanoi <Ltd>", "Hanoi"),
        ("agencies.toml", "most_days_behind = 31", "most_days_behind = 30"),
        ("agencies.toml", 'reporting_currency = "VND"', 'reporting_currency = "EUR"'),
        ("hanoi/published/current.duckdb", "", ""),
    ):
        file = copy.root / name
        if old:
            file.write_text(file.read_text().replace(old, new))
        else:
            file.unlink()
        found.append(identity())
    assert len(set(found)) == len(found)


def test_a_rate_that_is_missing_blocks_and_names_currency_and_day(make_group: Callable[[], Group]) -> None:
    copy = make_group()
    before = copy.current.resolve()
    (copy.root / "fx_rates.csv").write_text("currency,rate_date,rate\nUSD,2026-09-10,25000.5\n")
    first = min(row["rate_date"] for row in copy.rows("from group_kpi_evidence where currency = 'USD'"))
    done = amkpi(None, "group", "build", "--agencies", str(copy.root / "agencies.toml"))
    assert done.code == 3
    assert f"no rate for USD on or before {first}" in " ".join(done.stderr.split())
    assert "fx_rates.csv" in done.stderr
    assert copy.current.resolve() == before


def test_an_agency_that_cannot_be_read_is_named_and_the_others_are_counted(
    make_group: Callable[[], Group],
) -> None:
    copy = make_group()
    (parquet,) = (path for path in (copy.root / "boston" / "published" / "parquet").iterdir() if not path.is_symlink())
    damaged = parquet / "kpi_evidence" / "month.parquet"
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:1000])
    found = {source.agency.code: source for source in building.find_sources(copy.agencies, TODAY)}
    assert found["hanoi"].publication is not None
    assert found["boston"].publication is None
    assert "month.parquet" in str(found["boston"].problem)
    assert found["saigon"].problem == "nothing is published yet"


def test_a_damaged_page_of_one_agency_does_not_stop_the_group(make_group: Callable[[], Group]) -> None:
    copy = make_group()
    (parquet,) = (path for path in (copy.root / "boston" / "published" / "parquet").iterdir() if not path.is_symlink())
    damaged = parquet / "kpi_evidence" / "month.parquet"
    damaged.chmod(0o644)
    # The footer is at the end of the file, and stays whole.
    content = damaged.read_bytes()
    damaged.write_bytes(content[:4] + bytes(len(content) // 4) + content[4 + len(content) // 4 :])
    report = copy.build()
    assert [source.agency.code for source in report.missing] == ["boston", "saigon"]
    (boston,) = copy.rows("from group_agencies where agency = 'boston'")
    assert boston["is_missing"]
    assert {row["agency"] for row in copy.rows("select distinct agency from group_kpi_evidence")} == {"hanoi"}


def test_an_agency_whose_folder_is_closed_to_the_user_does_not_stop_the_group(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    def current_file(home: Home) -> Path | None:
        if home.root.name == "hanoi":
            raise PermissionError(13, "Permission denied", str(home.root))
        return publication_id.current_file(home)

    monkeypatch.setattr(sources, "current_file", current_file)
    found = {each.agency.code: each for each in building.find_sources(group.agencies, TODAY)}
    assert "Permission denied" in str(found["hanoi"].problem)
    assert found["boston"].publication is not None


def test_a_publication_of_a_day_to_come_is_not_counted(group: Group) -> None:
    """By a mistyped --as-of, all periods up to that day would be over for the whole group."""
    (tomorrow,) = (
        each for each in building.find_sources(group.agencies, date(2026, 10, 16)) if each.agency.code == "hanoi"
    )
    assert tomorrow.publication is not None, "elsewhere it is tomorrow already"
    found = {each.agency.code: each for each in building.find_sources(group.agencies, date(2026, 10, 15))}
    assert found["hanoi"].publication is None
    assert "2026-10-17, which is to come: run `amkpi run --agency hanoi --current`" in str(found["hanoi"].problem)
    assert found["boston"].publication is not None


def test_an_agency_that_is_far_behind_does_not_hold_back_the_group(group: Group) -> None:
    found = building.find_sources(group.agencies, TODAY)
    assert [building.common_day(found, days) for days in (31, 17, 16, 0)] == [
        date(2026, 9, 30),
        date(2026, 9, 30),
        AS_OF,
        AS_OF,
    ]
    assert building.common_day([], 7) is None


def test_a_group_without_any_publication_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saigon").mkdir()
    group = Group(tmp_path)
    group.write({"saigon": "South"})
    with pytest.raises(AmkpiError, match="none of its agencies can be counted; saigon: nothing is published yet"):
        group.build()
    run = group_run(group.agencies)
    with pytest.raises(AmkpiError, match="run `amkpi group build`"), published(run.home, run.settings):
        pytest.fail("opened")
    run.home.warehouse.write_bytes(b"no database" * 100)
    with (
        pytest.raises(AmkpiError, match="remove it: `amkpi group build` makes"),
        open_warehouse(run.home, run.settings),
    ):
        pytest.fail("opened")


def test_a_folder_of_the_group_that_is_an_agencys_home_is_refused(tmp_path: Path) -> None:
    group = Group(tmp_path)
    group.write({"hanoi": "North", "group": "North"})
    with pytest.raises(AmkpiError, match=r"agency group: home: .*/group is the folder of the group"):
        group.build()


def test_the_parquet_files_of_an_older_publication_are_not_taken(make_group: Callable[[], Group]) -> None:
    copy = make_group()
    published = copy.root / "hanoi" / "published"
    newer = published / "kpi_00000000000000ff.duckdb"
    newer.write_bytes((published / "current.duckdb").resolve().read_bytes())
    link = published / "current.duckdb"
    link.unlink()
    link.symlink_to(newer.name)
    (source,) = (each for each in building.find_sources(copy.agencies, TODAY) if each.agency.code == "hanoi")
    assert source.publication is not None
    assert source.publication.folder.name == "00000000000000ff"
    assert (published / "parquet" / "current").readlink() == Path("00000000000000ff")


@pytest.mark.parametrize("at", ["audit", "switch"])
@pytest.mark.usefixtures("without_dbt")
def test_a_build_that_is_killed_leaves_what_readers_have_and_the_next_one_publishes(
    make_group: Callable[[], Group], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    copy = make_group()
    before = copy.current.resolve()
    (copy.root / "fx_rates.csv").write_text(RATES + "EUR,2026-01-01,30000\n")

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(building, at, die)
        with pytest.raises(KeyboardInterrupt):
            copy.build()
    assert copy.current.resolve() == before
    report = copy.build()
    assert report.is_new
    assert copy.current.resolve() == report.file != before
    assert copy.rows("select publication_id as id from group_publication") == [{"id": report.publication_id}]
    parquet = copy.root / "group" / "published" / "parquet"
    assert (parquet / "current").readlink() == Path(report.publication_id)
    assert not list(parquet.parent.glob(".*.part"))


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("every_row_is_there_once", "insert into marts.group_kpi_values from marts.group_kpi_values limit 1"),
        (
            "an_agency_has_its_own_values",
            "update marts.group_kpi_values set local_value = local_value + 1 where code = 'boston' and kpi ="
            " 'client_revenue' and period_grain = 'year'",
        ),
        (
            "an_agency_has_its_own_values",
            "update marts.group_kpi_values set value = value * 1.0000000000001 where code = 'hanoi'",
        ),
        (
            "records_add_up_to_the_values_of_agencies",
            "update intermediate.int_agency_sums set local_numerator = local_numerator + 1 where period_grain = 'year'",
        ),
        (
            "agencies_add_up_to_regions_and_the_group",
            "update marts.group_kpi_values set numerator = numerator + 1 where level = 'region'",
        ),
        (
            "private_kpis_stay_in_one_agency",
            "update marts.group_kpi_values set value = 50 where level = 'group' and kpi like 'internal%'",
        ),
        (
            "no_publication_counts_twice",
            "update marts.group_agencies set publication_id = 'x' where not is_missing",
        ),
        ("every_rate_is_there", "update marts.group_kpi_evidence set rate = null where currency = 'USD'"),
    ],
)
def test_each_rule_of_the_audit_blocks(warehouse: duckdb.DuckDBPyConnection, check: str, fault: str) -> None:
    assert not [finding for finding in audit(warehouse) if finding.blocks]
    warehouse.execute("begin")
    try:
        warehouse.execute(fault)
        assert check in {finding.expectation for finding in audit(warehouse) if finding.blocks}
    finally:
        warehouse.execute("rollback")


def test_the_commands_build_and_query(make_group: Callable[[], Group]) -> None:
    copy = make_group()
    file = str(copy.root / "agencies.toml")
    done = amkpi(None, "group", "build", "--agencies", file)
    assert done.code == 0
    assert "2 agencies, 1 missing, as of 30/09/2026" in " ".join(done.stdout.split())
    sql = "select count(*) as n from group_agencies"
    assert amkpi(None, "group", "query", sql, "--format", "csv", "--agencies", file).stdout.split() == ["n", "3"]
    assert amkpi(None, "group", "build").code == 1
