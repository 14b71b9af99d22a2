"""The proof of the second engine: `make test-spark` builds the same agencies on DuckDB and on Spark, and compares them.

Not part of `make test`: it needs pyspark and Java 17, and takes an hour on two busy cores. All tests share one server.
The variable PROOF_SCALE sets the size of the large agency: 100 is 1.25 million rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.publication_id import current_file, publication_id
from amkpi.pipeline import steps
from amkpi.publishing.closing import verification
from amkpi.sample_agency import write_sample
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.outbox import write_to_outbox
from amkpi.transform.dbt_runner import Engine, run_dbt
from amkpi.transform.spark.lake import Lake
from amkpi.transform.spark.session import SESSION, check_answers, local_server, spark_session
from tests.changed_settings import changed
from tests.conftest import AS_OF, Agency
from tests.dbt_project.test_models import unit_tests
from tests.oracle.agencies import random_agency
from tests.paths import EXAMPLE
from tests.publishing.closing.conftest import Closable, pass_audit
from tests.publishing.closing.test_causes import BEFORE
from tests.scorecards.restatements.test_mart import CHANGES, mail_everything
from tests.transform.spark.parity import Comparison, compare

pytestmark = pytest.mark.slow
PUBLISHED = ("marts", "internal", "internal_fresh", "internal_closing")
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


def large(folder: Path) -> Runs:
    """The sample agency with many people: 1.25 million rows, unless PROOF_SCALE says otherwise."""
    write_sample(folder, scale=float(os.environ.get("PROOF_SCALE", "100")), as_of=AS_OF)
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
    "large": large,
}


@pytest.mark.parametrize("name", AGENCIES)
def test_spark_builds_what_duckdb_builds(name: str, tmp_path: Path) -> None:
    duck = Agency.at(tmp_path / "duckdb")
    for files in AGENCIES[name](tmp_path / "extracts"):
        duck.load(files)
    # A folder may have any name.
    spark = duck.copy(tmp_path / "của 'Spark' 100%")
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
    found = compare(*published, schemas=PUBLISHED)
    print(f"publication: {found.rows:,} rows, {found.values:,} values")
    assert other_than_identity(found) == []
    assert steps.build(spark.run).is_new is False


def other_than_identity(found: Comparison) -> list[str]:
    """What differs in two publications besides which one it is."""
    of_identity = ("marts.publication.", ".publication_id:", ".told_publication_id:", ".sha256:")
    return [line for line in found.differences if not any(name in line for name in of_identity)]


def test_closings_adjustments_and_restated_mails_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "audit", pass_audit)
    duck = Closable.at(tmp_path / "duckdb", date(2026, 4, 15))
    duck.moment = datetime(2026, 4, 15, 1, 0, tzinfo=UTC)
    spark = duck.copied(tmp_path / "spark")
    spark.set(engine="spark")
    mailed_and_closed(duck)
    # The engine is changed after a closing and a mail: that alone moves no figure.
    moved = duck.copied(tmp_path / "moved")
    moved.set(engine="spark")
    duck.publish(CHANGES, as_of=date(2026, 4, 25))
    mail = mail_to_the_boss(duck)
    assert " → " in mail
    for mart in ("adjustments", "restatements"):
        assert duck.published(f"select count(*) > 10 from marts.{mart} where cause <> ''") == [(True,)]

    mailed_and_closed(spark)
    for agency in (spark, moved):
        agency.publish(CHANGES, as_of=date(2026, 4, 25))
        found = compare(*(current_file(each.home) for each in (duck, agency)), schemas=PUBLISHED)
        print(f"closings: {found.rows:,} rows, {found.values:,} values")
        assert other_than_identity(found) == []
        assert mail_to_the_boss(agency) == mail
        verification.verify_rows(agency.home)


def mailed_and_closed(agency: Closable) -> None:
    """Publish, let a mail report the first quarter, and close February: contracts of February are delivered later."""
    people = BEFORE["staff/a.csv"].splitlines()
    with_mail = [f"{people[0]},email", *(f"{row},{row.split(',')[0]}@agency.example" for row in people[1:])]
    agency.publish(BEFORE | {"staff/a.csv": "\n".join(with_mail) + "\n"})
    mail_everything(agency)
    agency.close("2026-02")


def mail_to_the_boss(agency: Closable) -> str:
    """The text of the mail on the quarter that was mailed before."""
    outbox = agency.home.root / "outbox"
    write_to_outbox(agency.run, outbox, "quarter", "2026-Q1", to=("boss",), options=Options())
    (file,) = outbox.glob("*.eml")
    mail = message_from_bytes(file.read_bytes(), policy=default)
    text = mail.get_body(("plain",))
    assert text is not None
    shown = str(text.get_content())
    for identity in agency.published("select publication_id, closing_sha256 from marts.publication")[0]:
        assert identity in shown
        shown = shown.replace(identity, "(its own)")
    return shown


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
