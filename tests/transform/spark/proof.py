"""The proof of the second engine: `make test-spark` builds the same agencies on DuckDB and on Spark, and compares them.

Not part of `make test`: it needs pyspark and Java 17, and takes half an hour on two cores. All tests share one server.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.publication_id import publication_id
from amkpi.pipeline import steps
from amkpi.sample_agency import write_sample
from amkpi.transform.dbt_runner import Engine, run_dbt
from amkpi.transform.spark.lake import Lake
from amkpi.transform.spark.session import SESSION, check_answers, local_server, spark_session
from tests.changed_settings import changed
from tests.conftest import AS_OF, Agency
from tests.dbt_project.test_models import unit_tests
from tests.oracle.agencies import random_agency
from tests.paths import EXAMPLE
from tests.transform.spark.parity import compare

pytestmark = pytest.mark.slow
Runs = list[Mapping[str, str | bytes]]


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests, where the machine has none of its own."""
    if "SPARK_REMOTE" in os.environ:
        yield os.environ["SPARK_REMOTE"]
        return
    folder = tmp_path_factory.mktemp("server")
    settings = Agency.at(folder / "home").run.settings
    with local_server(settings, folder / "server.log") as remote, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_REMOTE", remote)
        yield remote


def example(folder: Path) -> Runs:
    """The example of the specification."""
    return [{f"{path.stem}/{path.name}": path.read_bytes() for path in (EXAMPLE / "landing").glob("*.csv")}]


def sample(folder: Path) -> Runs:
    """The sample agency that `make run` builds."""
    write_sample(folder, as_of=AS_OF)
    return [{str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}]


def random(seed: int, dirty: bool = False) -> Callable[[Path], Runs]:
    """A random agency at the edges of the specification."""
    return lambda folder: list(random_agency(seed, as_of=AS_OF, dirty=dirty))


AGENCIES = {
    "example": example,
    "sample": sample,
    "random 11": random(11),
    "random 12, dirty": random(12, dirty=True),
    "random 21": random(21),
}


@pytest.mark.parametrize("name", AGENCIES)
def test_spark_builds_what_duckdb_builds(name: str, tmp_path: Path) -> None:
    duck = Agency.at(tmp_path / "duckdb")
    for files in AGENCIES[name](tmp_path / "extracts"):
        duck.load(files)
    spark = duck.copy(tmp_path / "spark")
    spark.set(engine="spark")
    duck.build()
    spark.build()
    found = compare(duck.home.warehouse, spark.home.warehouse)
    print(f"{name}: {found.rows:,} rows, {found.values:,} values")
    assert found.differences == ()
    assert found.rows > 1000
    assert not Lake(spark.home, spark.run.settings).root.exists()

    with duck.warehouse() as one, spark.warehouse() as other:
        ids = [publication_id(each.home, other if each is spark else one, each.run.settings, AS_OF)
               for each in (duck, spark, spark)]  # fmt: skip
    # The engine is a setting that can change the last bit of a figure, so it is part of the id.
    assert ids[0] != ids[1] == ids[2]


def test_the_publication_and_all_that_is_made_of_it_are_the_same(tmp_path: Path) -> None:
    duck = Agency.at(tmp_path / "duckdb")
    for files in random(21)(tmp_path):
        duck.load(files)
    spark = duck.copy(tmp_path / "spark")
    spark.set(engine="spark")
    published = []
    for agency in (duck, spark):
        steps.build(agency.run)
        agency.publish_unaudited()
        published.append(agency.home.current.resolve())
    found = compare(*published, schemas=("marts", "internal", "internal_fresh", "internal_closing"))
    print(f"publication: {found.rows:,} rows, {found.values:,} values")
    # What differs is which publication it is.
    assert [line for line in found.differences if not line.startswith("marts.publication.")] == []
    assert steps.build(spark.run).is_new is False


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("spark.sql.ansi.enabled", "false", "no error"),
        ("spark.sql.ansi.doubleQuotedIdentifiers", "false", "a quoted name is a text"),
        ("spark.sql.session.timeZone", "Asia/Ho_Chi_Minh", "the time zone is not UTC"),
        ("spark.sql.decimalOperations.allowPrecisionLoss", "true", "decimals lose places"),
    ],
)
def test_spark_with_another_option_is_told(option: str, value: str, told: str, tmp_path: Path) -> None:
    agency = Agency.at(tmp_path / "home")
    with spark_session(agency.run.settings, tmp_path / "server.log") as spark:
        spark.conf.set(option, value)
        with pytest.raises(AmkpiError, match=told):
            check_answers(spark)
        spark.conf.set(option, SESSION[option])
        check_answers(spark)


def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    settings = changed(Agency.at(tmp_path / "home").run.settings, spark_memory="1m")  # less than Spark starts with
    with (
        pytest.raises(AmkpiError, match="the Spark server ended while it started"),
        local_server(settings, tmp_path / "server.log"),
    ):
        pytest.fail("1 MB is enough")


# dbt writes the lists of a unit test as a text for DuckDB and as SQL for Spark, so one file does not fit both. The
# lists of the agencies above are compared.
OF_LISTS = (
    "a_record_is_evidence_in_each_of_its_periods_and_a_collaboration_score_names_no_reviewer",
    "days_on_which_nobody_is_over_a_person_have_no_list",
    "the_list_of_a_person_begins_with_the_own_manager_and_changes_with_a_reorganisation_above",
)


def test_every_unit_test_of_the_models_passes_on_spark(tmp_path: Path) -> None:
    agency = Agency.at(tmp_path / "home")
    settings = changed(agency.run.settings, engine="spark")
    agency.load(example(tmp_path)[0])
    # For the tables that the pipeline makes.
    agency.build()
    lake = Lake(agency.home, settings)
    on_spark = (Engine.SPARK, {"schema_prefix": lake.prefix})
    with spark_session(settings, tmp_path / "server.log") as spark:
        lake.make()
        with agency.warehouse() as connection:
            lake.write_rows(connection)
        lake.show_to(spark)
        run_dbt(agency.home, settings, AS_OF, ["run", "--full-refresh"], print, *on_spark)
        arguments = ["test", "--select", "test_type:unit", "--exclude", *OF_LISTS]
        ran = sum(run_dbt(agency.home, settings, AS_OF, arguments, print, *on_spark))
        lake.hide_from(spark)
    print(f"{ran} unit tests")
    assert ran == len(unit_tests()) - len(OF_LISTS)
